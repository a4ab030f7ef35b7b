"""TensorFlow Serving's REST API: `/v1/models…`.

Source: tensorflow.org/tfx/serving/api_rest and the server's http_rest_api_handler.cc. Its paths are regular
expressions, and the tests of its clients expect its messages. The `Content-Type` is ignored.
"""

import re
import reprlib
from typing import Any, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api.http.responses import Json, json_body
from api.routes.compat.bodies import packed, read_unpacked
from api.routes.compat.json_numbers import NotNumbers, Ragged, read_numbers
from api.routes.compat.predict import predict
from api.routes.compat.tensors import images_of
from api.routes.parse_request import compat_request, spec_of_version
from api.state import State, state_of
from api.uploads.body import without_mark
from shared.contract.model_ref import ModelRef
from shared.contract.model_spec import MNIST_SPEC, ModelSpec
from shared.errors import BadRequest, NotFound
from shared.images import Images

Form = Literal["predictions", "outputs"]

METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH")
INPUT = "images"
SIGNATURE = "serving_default"
ABSENT = msgspec.Raw()
_MODEL = r"/v1/models(?:/(?P<name>[^/:]+))?(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
_PREDICT = re.compile(rf"{_MODEL}:(?P<verb>predict|classify|regress)", re.IGNORECASE)
_READ = re.compile(rf"{_MODEL}(?:/(?P<metadata>metadata))?", re.IGNORECASE)
_UNKNOWN = "Servable not found for request: "


async def serve(request: Request) -> Response:
    """Handle all paths. Raises BadRequest for unsupported ones, as the original does; there are no 405 responses."""
    path = request.url.path
    if request.method == "POST" and (match := _PREDICT.fullmatch(path)) and match["name"]:
        if match["verb"].lower() != "predict":
            raise BadRequest(f"{match['verb']} is not supported, because its examples hold no images: use predict")
        return await _predict(request, match)
    if request.method == "GET" and (match := _READ.fullmatch(path)):
        if not match["name"]:
            raise BadRequest("Missing model name in request.")
        return await _metadata(request, match) if match["metadata"] else _status(request, match)
    raise BadRequest(f"Malformed request: {request.method} {path}")


async def _predict(request: Request, match: re.Match[str]) -> Response:
    state = state_of(request)
    ref = _resolve(state, match)
    with state.bodies.held() as held:
        body = await read_unpacked(request, held, state.settings.max_json_bytes)
        spec = await spec_of_version(state, ref)
        images, form = await state.bodies.parse(lambda body: parse_predict(body, spec), body)
        del body
        probabilities = await predict(state, images, compat_request(state, request, ref, spec), request.receive)
    body, headers = await packed(json_body({form: probabilities}), request.headers.get("accept-encoding", ""))
    return Response(body, 200, headers, "application/json")


class _Predict(msgspec.Struct):
    """The body of a prediction. Other fields are ignored, as by the original."""

    instances: msgspec.Raw = ABSENT
    inputs: msgspec.Raw = ABSENT
    signature_name: Any = SIGNATURE


def parse_predict(body: bytes, spec: ModelSpec = MNIST_SPEC) -> tuple[Images, Form]:
    """Return the images and the key of the response that matches their row or column format. Raises BadRequest."""
    if not body:
        raise BadRequest("JSON Parse error: The document is empty")
    try:
        content = msgspec.json.decode(without_mark(body), type=_Predict)
    except msgspec.ValidationError:
        content = _Predict()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"JSON Parse error: {error}") from None
    if bool(content.instances) == bool(content.inputs):
        raise BadRequest("Missing 'inputs' or 'instances' key, or both are present")
    if content.signature_name not in (SIGNATURE, ""):
        raise BadRequest(f"Serving signature name: {reprlib.repr(content.signature_name)} not found")
    images = _images(bytes(content.instances or content.inputs), spec)
    return images, "predictions" if content.instances else "outputs"


def _images(text: bytes, spec: ModelSpec) -> Images:
    """Read the tensor, or its rows, which may be wrapped as the only named input."""
    try:
        tensor = read_numbers(text, INPUT)
    except Ragged:
        raise BadRequest("the images have different shapes, or there is none") from None
    except NotNumbers:
        expected = f"a list of images, or of objects with only the input {INPUT!r}"
        raise BadRequest(f"JSON Value is not of expected type: float. Expected {expected}") from None
    return images_of(tensor, f"input {INPUT!r}", spec)


def _status(request: Request, match: re.Match[str]) -> Response:
    state, name = state_of(request), match["name"]
    known = state.catalog.versions(name)
    if not known:
        raise NotFound(f"{_UNKNOWN}Latest({name})")
    if match["version"] or match["label"]:
        known = [ModelRef.parse(_resolve(state, match)).version]
    fine = {"error_code": "OK", "error_message": ""}
    rows = [{"version": str(number), "state": "AVAILABLE", "status": fine} for number in reversed(known)]
    return Json({"model_version_status": rows})


async def _metadata(request: Request, match: re.Match[str]) -> Response:
    state = state_of(request)
    ref = ModelRef.parse(_resolve(state, match))
    spec = await spec_of_version(state, str(ref))
    signature = {
        "inputs": {INPUT: _tensor_info("DT_UINT8", (-1, *spec.array_shape), f"{SIGNATURE}_{INPUT}:0")},
        "outputs": {"probabilities": _tensor_info("DT_FLOAT", (-1, len(spec.labels)), "StatefulPartitionedCall:0")},
        "method_name": "tensorflow/serving/predict",
        "defaults": {},
    }
    return Json(
        {
            "model_spec": {"name": ref.name, "signature_name": "", "version": str(ref.version)},
            "metadata": {"signature_def": {"signature_def": {SIGNATURE: signature}}},
        }
    )


def _tensor_info(dtype: str, shape: tuple[int, ...], name: str) -> dict[str, Any]:
    dimensions = [{"size": str(size), "name": ""} for size in shape]
    return {"dtype": dtype, "tensor_shape": {"dim": dimensions, "unknown_rank": False}, "name": name}


def _resolve(state: State, match: re.Match[str]) -> str:
    """Return the request's `name@version`. Raises the original's errors: NotFound, or BadRequest for a label."""
    name, version, label = match["name"], match["version"], match["label"]
    number = version.lstrip("0") or "0" if version else ""  # the original reads 007 as 7
    if label is not None:
        try:
            return state.resolve(str(ModelRef(name, label)))
        except NotFound:
            raise BadRequest(f"Unrecognized servable version label: {label}") from None
    try:
        return state.resolve(str(ModelRef(name, number)))
    except NotFound:
        servable = f"Specific({name}, {version})" if version else f"Latest({name})"
        raise NotFound(_UNKNOWN + servable) from None


def _routes(path: str, method: str) -> list[Route]:
    """Return the routes of a path. `serve` also answers the wrong methods, which have the original's error."""
    others = [other for other in METHODS if other != method]
    return [Route(path, serve, methods=[method]), Route(path, serve, methods=others, include_in_schema=False)]


_PLACES = ("/v1/models/{name}", "/v1/models/{name}/versions/{version}", "/v1/models/{name}/labels/{label}")
ROUTES = [
    *_routes("/v1/models", "GET"),
    *(route for place in _PLACES for route in _routes(f"{place}:predict", "POST")),
    *(route for place in _PLACES for tail in ("/metadata", "") for route in _routes(f"{place}{tail}", "GET")),
    Route("/v1/{rest:path}", serve, methods=[*METHODS], include_in_schema=False),
]
