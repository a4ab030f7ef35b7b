"""TensorFlow Serving's REST API: `/v1/models…`.

Source: tensorflow.org/tfx/serving/api_rest and the server's http_rest_api_handler.cc. Its paths are regular
expressions, and the tests of its clients expect its messages. The `Content-Type` is ignored.
"""

import re
import reprlib
from typing import Any, Literal

import numpy as np
import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api.http.responses import Json, to_json
from api.routes.compat.bodies import packed, parsed, read_unpacked
from api.routes.compat.predict import predict
from api.routes.compat.tensors import images_of
from api.routes.parse_request import compat_request
from api.state import State, state_of
from shared.contract.model_ref import ModelRef
from shared.errors import BadRequest, NotFound
from shared.images import CLASSES, IMAGE_SIDE, Images

Form = Literal["predictions", "outputs"]

INPUT = "images"
SIGNATURE = "serving_default"
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
        return _metadata(request, match) if match["metadata"] else _status(request, match)
    raise BadRequest(f"Malformed request: {request.method} {path}")


async def _predict(request: Request, match: re.Match[str]) -> Response:
    state = state_of(request)
    ref = _resolve(state, match)
    images, form = await parsed(parse_predict, await read_unpacked(request))
    probabilities = await predict(state, images, compat_request(state, request, ref), request.receive)
    body, headers = packed(to_json({form: probabilities}), request.headers.get("accept-encoding", ""))
    return Response(body, 200, headers, "application/json")


def parse_predict(body: bytes) -> tuple[Images, Form]:
    """Return the images and the key of the response that matches their row or column format. Raises BadRequest."""
    if not body:
        raise BadRequest("JSON Parse error: The document is empty")
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"JSON Parse error: {error}") from None
    if not isinstance(content, dict) or ("instances" in content) == ("inputs" in content):
        raise BadRequest("Missing 'inputs' or 'instances' key, or both are present")
    if content.get("signature_name", SIGNATURE) not in (SIGNATURE, ""):
        raise BadRequest(f"Serving signature name: {reprlib.repr(content['signature_name'])} not found")
    if "instances" in content:
        return _images([_named(row) for row in _list(content["instances"])]), "predictions"
    return _images(_list(_named(content["inputs"]))), "outputs"


def _named(value: object) -> object:
    """Return the tensor, which may be wrapped as the only named input."""
    if not isinstance(value, dict):
        return value
    if value.keys() != {INPUT}:
        raise BadRequest(f"expected only the input {INPUT!r}, got {reprlib.repr(sorted(value))}")
    return value[INPUT]


def _list(value: object) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise BadRequest("expected a list of at least one image")
    return value


def _images(rows: list[Any]) -> Images:
    try:
        tensor = np.array(rows)
    except ValueError:
        raise BadRequest("the images have different shapes") from None
    if tensor.dtype.kind not in "iuf":
        raise BadRequest("JSON Value is not of expected type: float")
    return images_of(tensor, f"input {INPUT!r}")


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


def _metadata(request: Request, match: re.Match[str]) -> Response:
    ref = ModelRef.parse(_resolve(state_of(request), match))
    signature = {
        "inputs": {INPUT: _tensor_info("DT_UINT8", (-1, IMAGE_SIDE, IMAGE_SIDE), f"{SIGNATURE}_{INPUT}:0")},
        "outputs": {"probabilities": _tensor_info("DT_FLOAT", (-1, CLASSES), "StatefulPartitionedCall:0")},
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


_PLACES = ("/v1/models/{name}", "/v1/models/{name}/versions/{version}", "/v1/models/{name}/labels/{label}")
ROUTES = [
    Route("/v1/models", serve),
    *(Route(f"{place}:predict", serve, methods=["POST"]) for place in _PLACES),
    *(Route(f"{place}{tail}", serve) for place in _PLACES for tail in ("/metadata", "")),
    # All other paths: the original answers them with its own error instead of a 405.
    Route("/v1/{rest:path}", serve, methods=["GET", "POST", "PUT", "DELETE", "PATCH"]),
]
