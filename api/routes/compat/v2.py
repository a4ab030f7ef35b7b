"""The Open Inference Protocol v2 over HTTP, as Triton speaks it: `/v2…`.

Source: github.com/kserve/open-inference-protocol and the extensions of github.com/triton-inference-server/server. Only
200 is a success to its clients, so an inference blocks; errors are `{"error": "…"}` with a plain string.
"""

import time
from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api.http.access import caller_of, require_admin
from api.http.responses import Json
from api.routes.compat.bodies import packed, parsed, read_unpacked
from api.routes.compat.predict import predict
from api.routes.compat.tensors import images_of
from api.routes.compat.v2_tensors import INPUT, LENGTH_HEADER, OUTPUT, encode_reply, parse_request
from api.routes.parse_request import compat_request
from api.state import State, state_of
from api.versions.infer_statistics import VersionStatistics
from shared.contract.model_ref import ModelRef
from shared.errors import BadParameter, RequestError
from shared.images import CLASSES, IMAGE_SIDE

SERVER = "mnistified"
VERSION = "2"
EXTENSIONS = ["binary_tensor_data", "classification", "model_configuration", "model_repository", "statistics"]
MAX_BATCH_IMAGES = 65_536  # of one request, told to clients; the bound on bytes is what counts


async def get_server(request: Request) -> Response:
    return Json({"name": SERVER, "version": VERSION, "extensions": EXTENSIONS})


async def get_live(request: Request) -> Response:
    return Json({"live": True})


async def get_ready(request: Request) -> Response:
    """Raises Unavailable while no worker is ready."""
    state_of(request).workers.require()
    return Json({"ready": True})


async def get_model(request: Request) -> Response:
    """Metadata."""
    name = ModelRef.parse(_ref(request)).name
    return Json(
        {
            "name": name,
            "versions": [str(number) for number in state_of(request).catalog.versions(name)],
            "platform": "tensorflow",
            "inputs": [{"name": INPUT, "datatype": "UINT8", "shape": [-1, IMAGE_SIDE, IMAGE_SIDE]}],
            "outputs": [{"name": OUTPUT, "datatype": "FP32", "shape": [-1, CLASSES]}],
        }
    )


async def get_model_ready(request: Request) -> Response:
    _ref(request)
    state_of(request).workers.require()
    return Json({"ready": True})


async def get_config(request: Request) -> Response:
    """What perf_analyzer asks for; batches form by themselves, which Triton calls dynamic."""
    return Json(
        {
            "name": ModelRef.parse(_ref(request)).name,
            "platform": "tensorflow",
            "backend": SERVER,
            "max_batch_size": MAX_BATCH_IMAGES,
            "input": [{"name": INPUT, "data_type": "TYPE_UINT8", "dims": [IMAGE_SIDE, IMAGE_SIDE]}],
            "output": [{"name": OUTPUT, "data_type": "TYPE_FP32", "dims": [CLASSES]}],
            "dynamic_batching": {},
        }
    )


async def get_statistics(request: Request) -> Response:
    """Of one model version, of all of a model, or of all: what this process has answered through this door."""
    state = state_of(request)
    name = request.path_params.get("name")
    refs = [ModelRef.parse(_ref(request))] if name else _all_versions(state)
    rows = [state.statistics.get(str(ref), VersionStatistics()).as_json(ref) for ref in refs]
    return Json({"model_stats": rows})


async def infer(request: Request) -> Response:
    """Blocks until the answer is there."""
    state, started_s = state_of(request), time.perf_counter()
    ref = state.resolve(str(_named(request)))
    statistics = state.statistics.setdefault(ref, VersionStatistics())
    try:
        body = await read_unpacked(request)
        asked = await parsed(partial(parse_request, header_length=request.headers.get(LENGTH_HEADER)), body)
        images = images_of(asked.tensor, f"input {INPUT!r}")
        parsed_s = time.perf_counter()
        wanted = compat_request(state, request, ref, asked.timeout_us / 1e6 or None)
        probabilities = await predict(state, images, wanted, request.receive)
    except RequestError:
        statistics.fail.add(time.perf_counter() - started_s)
        raise
    answered_s = time.perf_counter()
    reply, split = encode_reply(probabilities, ModelRef.parse(ref), asked, [str(digit) for digit in range(CLASSES)])
    reply, headers = packed(reply, request.headers.get("accept-encoding", ""))
    if split is not None:
        headers[LENGTH_HEADER] = str(split)
    written_s = time.perf_counter()
    statistics.add(len(images), parsed_s - started_s, answered_s - parsed_s, written_s - answered_s)
    return Response(reply, 200, headers, "application/json" if split is None else "application/octet-stream")


async def post_repository_index(request: Request) -> Response:
    """Every version, and whether it can be asked."""
    state = state_of(request)
    return Json(
        [
            {"name": ref.name, "version": str(ref.version), "state": "READY", "reason": ""}
            for ref in _all_versions(state)
        ]
    )


async def post_load(request: Request) -> Response:
    """Whether there is such a model: versions load by themselves when they are asked for."""
    require_admin(caller_of(request.scope))
    _ref(request)
    return Response(status_code=200)


async def post_unload(request: Request) -> Response:
    require_admin(caller_of(request.scope))
    raise BadParameter("versions are unloaded by the workers when nobody has asked for them for a while")


def _ref(request: Request) -> str:
    """`name@version` of the path. Raises NotFound."""
    return state_of(request).meaning(str(_named(request)))


def _named(request: Request) -> ModelRef:
    """Return the model of the path, with the version or alias that it may name."""
    return ModelRef(request.path_params["name"], request.path_params.get("version", ""))


def _all_versions(state: State) -> list[ModelRef]:
    return [ModelRef(name, version) for name, versions in state.catalog.models.items() for version in versions]


_OF_SERVER = (
    ("/v2", get_server, "GET"),
    ("/v2/health/live", get_live, "GET"),
    ("/v2/health/ready", get_ready, "GET"),
    ("/v2/models/stats", get_statistics, "GET"),
    ("/v2/repository/index", post_repository_index, "POST"),
    ("/v2/repository/models/{name}/load", post_load, "POST"),
    ("/v2/repository/models/{name}/unload", post_unload, "POST"),
)
_OF_MODEL = (
    ("", get_model, "GET"),
    ("/ready", get_model_ready, "GET"),
    ("/config", get_config, "GET"),
    ("/stats", get_statistics, "GET"),
    ("/infer", infer, "POST"),
)
ROUTES = [Route(path, endpoint, methods=[method]) for path, endpoint, method in _OF_SERVER] + [
    Route(model + tail, endpoint, methods=[method])
    for model in ("/v2/models/{name}", "/v2/models/{name}/versions/{version}")
    for tail, endpoint, method in _OF_MODEL
]
