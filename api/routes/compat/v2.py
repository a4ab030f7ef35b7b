"""The Open Inference Protocol v2 over HTTP, compatible with Triton: `/v2…`.

Source: github.com/kserve/open-inference-protocol and the extensions of github.com/triton-inference-server/server. Its
clients treat only 200 as a success, so an inference blocks. Errors are `{"error": "…"}` with a plain string.
"""

import time

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api.http.access import caller_of, require_admin
from api.http.bodies import Held
from api.http.responses import Json
from api.routes.compat.bodies import MAX_TENSOR_BYTES, packed, read_unpacked
from api.routes.compat.predict import predict
from api.routes.compat.tensors import images_of
from api.routes.compat.v2_tensors import INPUT, LENGTH_HEADER, OUTPUT, InferRequest, encode_response, parse_request
from api.routes.parse_request import compat_request, spec_of_version
from api.state import State, state_of
from api.versions.infer_statistics import VersionStatistics
from shared.contract.model_ref import ModelRef
from shared.contract.model_spec import ModelSpec
from shared.errors import BadParameter, RequestError
from shared.images import Images

SERVER = "mnistified"
VERSION = "2"
EXTENSIONS = ["binary_tensor_data", "classification", "model_configuration", "model_repository", "statistics"]
MAX_BATCH_IMAGES = 65_536  # reported to clients; the effective limit is MAX_TENSOR_BYTES


async def get_server(request: Request) -> Response:
    return Json({"name": SERVER, "version": VERSION, "extensions": EXTENSIONS})


async def get_live(request: Request) -> Response:
    return Json({"live": True})


async def get_ready(request: Request) -> Response:
    """Return 200 if a worker is ready. Raises Unavailable otherwise."""
    state_of(request).workers.require()
    return Json({"ready": True})


async def get_model(request: Request) -> Response:
    """Return the metadata of a model."""
    state, ref = state_of(request), _ref(request)
    name, spec = ModelRef.parse(ref).name, await spec_of_version(state, ref)
    return Json(
        {
            "name": name,
            "versions": [str(number) for number in state.catalog.versions(name)],
            "platform": "tensorflow",
            "inputs": [{"name": INPUT, "datatype": "UINT8", "shape": [-1, *spec.array_shape]}],
            "outputs": [{"name": OUTPUT, "datatype": "FP32", "shape": [-1, len(spec.labels)]}],
        }
    )


async def get_model_ready(request: Request) -> Response:
    _ref(request)
    state_of(request).workers.require()
    return Json({"ready": True})


async def get_config(request: Request) -> Response:
    """Return the configuration that perf_analyzer reads. Batching is automatic, which Triton calls dynamic."""
    ref = _ref(request)
    spec = await spec_of_version(state_of(request), ref)
    return Json(
        {
            "name": ModelRef.parse(ref).name,
            "platform": "tensorflow",
            "backend": SERVER,
            "max_batch_size": MAX_BATCH_IMAGES,
            "input": [{"name": INPUT, "data_type": "TYPE_UINT8", "dims": [*spec.array_shape]}],
            "output": [{"name": OUTPUT, "data_type": "TYPE_FP32", "dims": [len(spec.labels)]}],
            "dynamic_batching": {},
        }
    )


async def get_statistics(request: Request) -> Response:
    """Return this process's statistics of one version, of all versions of a model, or of all models."""
    state = state_of(request)
    name = request.path_params.get("name")
    refs = [ModelRef.parse(_ref(request))] if name else _all_versions(state)
    rows = [state.statistics.get(str(ref), VersionStatistics()).as_json(ref) for ref in refs]
    return Json({"model_stats": rows})


async def infer(request: Request) -> Response:
    """Classify the images of the request. Blocks until the result is there."""
    state, started_s = state_of(request), time.perf_counter()
    ref = state.resolve(str(_named(request)))
    statistics = state.statistics.setdefault(ref, VersionStatistics())
    try:
        with state.bodies.held() as held:
            spec = await spec_of_version(state, ref)
            inference, images = await _read(request, held, spec)
            parsed_s = time.perf_counter()
            asked = compat_request(state, request, ref, spec, inference.timeout_us / 1e6 or None)
            probabilities = await predict(state, images, asked, request.receive)
    except RequestError:
        statistics.fail.add(time.perf_counter() - started_s)
        raise
    answered_s = time.perf_counter()
    response, split = encode_response(probabilities, ModelRef.parse(ref), inference, spec.labels)
    response, headers = await packed(response, request.headers.get("accept-encoding", ""))
    if split is not None:
        headers[LENGTH_HEADER] = str(split)
    written_s = time.perf_counter()
    statistics.add(len(images), parsed_s - started_s, answered_s - parsed_s, written_s - answered_s)
    return Response(response, 200, headers, "application/json" if split is None else "application/octet-stream")


async def _read(request: Request, held: Held, spec: ModelSpec) -> tuple[InferRequest, Images]:
    """Read the request and its images. Raises RequestError."""
    state, header_length = state_of(request), request.headers.get(LENGTH_HEADER)
    max_json_bytes = state.settings.max_json_bytes
    body = await read_unpacked(request, held, max_json_bytes if header_length is None else MAX_TENSOR_BYTES)

    def parse(body: bytes) -> tuple[InferRequest, Images]:
        inference = parse_request(body, header_length, max_json_bytes, spec)
        return inference, images_of(inference.tensor, f"input {INPUT!r}", spec)

    return await state.bodies.parse(parse, body)


async def post_repository_index(request: Request) -> Response:
    """Return all versions, which are always ready."""
    state = state_of(request)
    return Json(
        [
            {"name": ref.name, "version": str(ref.version), "state": "READY", "reason": ""}
            for ref in _all_versions(state)
        ]
    )


async def post_load(request: Request) -> Response:
    """Return 200 if the model exists: versions are loaded when the first request needs them."""
    require_admin(caller_of(request.scope))
    _ref(request)
    return Response(status_code=200)


async def post_unload(request: Request) -> Response:
    require_admin(caller_of(request.scope))
    raise BadParameter("the workers unload versions that have not been used for a while")


def _ref(request: Request) -> str:
    """Return the `name@version` of the path. Raises NotFound."""
    return state_of(request).version_of(str(_named(request)))


def _named(request: Request) -> ModelRef:
    """Return the model of the path, with the version or alias that it may name."""
    return ModelRef(request.path_params["name"], request.path_params.get("version", ""))


def _all_versions(state: State) -> list[ModelRef]:
    return [ModelRef(name, version) for name, versions in state.catalog.models.items() for version in versions]


_SERVER_ROUTES = (
    ("/v2", get_server, "GET"),
    ("/v2/health/live", get_live, "GET"),
    ("/v2/health/ready", get_ready, "GET"),
    ("/v2/models/stats", get_statistics, "GET"),
    ("/v2/repository/index", post_repository_index, "POST"),
    ("/v2/repository/models/{name}/load", post_load, "POST"),
    ("/v2/repository/models/{name}/unload", post_unload, "POST"),
)
_MODEL_ROUTES = (
    ("", get_model, "GET"),
    ("/ready", get_model_ready, "GET"),
    ("/config", get_config, "GET"),
    ("/stats", get_statistics, "GET"),
    ("/infer", infer, "POST"),
)
ROUTES = [Route(path, endpoint, methods=[method]) for path, endpoint, method in _SERVER_ROUTES] + [
    Route(model + tail, endpoint, methods=[method])
    for model in ("/v2/models/{name}", "/v2/models/{name}/versions/{version}")
    for tail, endpoint, method in _MODEL_ROUTES
]
