"""The wire format of the Open Inference Protocol v2 over HTTP: JSON and the binary tensor extension. Pure functions.

Source: github.com/kserve/open-inference-protocol and Triton's extensions binary_data and classification. A body is JSON
followed by the binary tensors in the order of the inputs. `Inference-Header-Content-Length` is the length of the JSON.
"""

import re
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import orjson

from shared.contract.model_ref import ModelRef
from shared.errors import BadParameter
from shared.images import CLASSES, IMAGE_BYTES, IMAGE_SIDE, Probabilities

INPUT = "images"
OUTPUT = "probabilities"
LENGTH_HEADER = "inference-header-content-length"
LENGTH = re.compile(r"[0-9]{1,18}")
DTYPES = {
    "UINT8": "<u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "<i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
}
MAX_DIMENSIONS = 8

T = TypeVar("T", bool, int)


@dataclass(frozen=True, slots=True, kw_only=True)
class InferRequest:
    """A parsed request. `classification` is the number of top classes to return, or 0 for all probabilities."""

    tensor: npt.NDArray[np.generic]
    id: str | None
    binary: bool
    classification: int
    timeout_us: int
    priority: int


def parse_request(body: bytes, header_length: str | None) -> InferRequest:
    """Parse the body of a request. Raises BadParameter with the reason."""
    if header_length is None:
        return _parse_json(body, b"")
    split = int(header_length) if LENGTH.fullmatch(header_length) else -1
    if not 0 <= split <= len(body):
        raise BadParameter(f"{LENGTH_HEADER} is {reprlib.repr(header_length)}, but the body has {len(body)} bytes")
    if split == 0:
        return _parse_raw(body)
    return _parse_json(body[:split], body[split:])


def _parse_raw(body: bytes) -> InferRequest:
    """Parse a raw binary request, which holds only the pixels of one image."""
    if len(body) != IMAGE_BYTES:
        raise BadParameter(f"a raw request must have the {IMAGE_BYTES} bytes of one image, this one has {len(body)}")
    tensor = np.frombuffer(body, np.uint8).reshape(1, IMAGE_SIDE, IMAGE_SIDE)
    return InferRequest(tensor=tensor, id=None, binary=True, classification=0, timeout_us=0, priority=0)


def _parse_json(text: bytes, binary_data: bytes) -> InferRequest:
    try:
        content = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadParameter(f"not JSON: {error}") from None
    content = _object("the request", content)
    inputs = content.get("inputs")
    if not isinstance(inputs, list) or len(inputs) != 1:
        raise BadParameter(f"expected one input, {INPUT!r}")
    parameters = _parameters("the request", content)
    output = _requested_output(content)
    output_parameters = _parameters(f"output {OUTPUT!r}", output)
    by_default = _typed(parameters, "binary_data_output", bool, False)
    request_id = content.get("id")
    if request_id is not None and not isinstance(request_id, str):
        raise BadParameter(f"id is {reprlib.repr(request_id)}, expected a string")
    classification = _typed(output_parameters, "classification", int, 0)
    return InferRequest(
        tensor=_input_tensor(_object("the input", inputs[0]), binary_data),
        id=request_id,
        binary=_typed(output_parameters, "binary_data", bool, by_default),
        classification=min(classification, CLASSES),
        timeout_us=_typed(parameters, "timeout", int, 0),
        priority=_typed(parameters, "priority", int, 0),
    )


def _requested_output(content: Mapping[str, Any]) -> dict[str, Any]:
    outputs = content.get("outputs") or []
    if not isinstance(outputs, list) or len(outputs) > 1:
        raise BadParameter(f"expected at most one output, {OUTPUT!r}")
    output = _object("the output", outputs[0]) if outputs else {"name": OUTPUT}
    if output.get("name") != OUTPUT:
        raise BadParameter(f"unknown output {reprlib.repr(output.get('name'))}, expected {OUTPUT!r}")
    return output


def _input_tensor(given: Mapping[str, Any], binary_data: bytes) -> npt.NDArray[np.generic]:
    name, datatype, shape = given.get("name"), given.get("datatype"), given.get("shape")
    if name != INPUT:
        raise BadParameter(f"unknown input {reprlib.repr(name)}, expected {INPUT!r}")
    if not isinstance(datatype, str) or datatype not in DTYPES:
        raise BadParameter(f"input {INPUT!r} has type {reprlib.repr(datatype)}, expected one of {', '.join(DTYPES)}")
    if not isinstance(shape, list) or not 0 < len(shape) <= MAX_DIMENSIONS or not all(map(_is_count, shape)):
        raise BadParameter(f"input {INPUT!r} has shape {reprlib.repr(shape)}, expected a list of positive integers")
    dtype = np.dtype(DTYPES[datatype])
    size_bytes = _typed(_parameters(f"input {INPUT!r}", given), "binary_data_size", int, -1)
    try:
        if size_bytes < 0:
            return _json_data(given, dtype).reshape(shape)
        if size_bytes != len(binary_data):
            raise BadParameter(f"input {INPUT!r} declares {size_bytes} binary bytes, but {len(binary_data)} were sent")
        return np.frombuffer(binary_data, dtype).reshape(shape)
    except (ValueError, TypeError, OverflowError):
        raise BadParameter(f"the data of input {INPUT!r} does not match {datatype}{shape}") from None


def _json_data(given: Mapping[str, Any], dtype: np.dtype[Any]) -> npt.NDArray[np.generic]:
    """Return the JSON data, which may be nested, or flat in row-major order."""
    data = given.get("data")
    if not isinstance(data, list):
        raise BadParameter(f"input {INPUT!r} has no data")
    numbers = np.array(data)
    if numbers.dtype.kind not in "iuf":
        raise ValueError("no numbers")
    cast = numbers.astype(dtype)
    if dtype.kind in "iu" and (cast != numbers).any():
        raise ValueError("out of range")
    return cast


def encode_response(
    probabilities: Probabilities, ref: ModelRef, request: InferRequest, labels: list[str]
) -> tuple[bytes, int | None]:
    """Return the body, and the length of its JSON if binary data follows."""
    output: dict[str, Any] = {"name": OUTPUT}
    if request.classification:
        values = _classes(probabilities, request.classification, labels)
        output |= {"datatype": "BYTES", "shape": [len(values), request.classification]}
        flat = [text for row in values for text in row]
        data = b"".join(len(text).to_bytes(4, "little") + text.encode() for text in flat)
    else:
        output |= {"datatype": "FP32", "shape": list(probabilities.shape)}
        flat = probabilities.ravel()  # type: ignore[assignment]
        data = probabilities.astype("<f4", copy=False).tobytes()
    response: dict[str, Any] = {"model_name": ref.name, "model_version": str(ref.version), "outputs": [output]}
    if request.id is not None:
        response["id"] = request.id
    if not request.binary:
        output["data"] = flat
        return orjson.dumps(response, option=orjson.OPT_SERIALIZE_NUMPY), None
    output["parameters"] = {"binary_data_size": len(data)}
    text = orjson.dumps(response)
    return text + data, len(text)


def _classes(probabilities: Probabilities, count: int, labels: list[str]) -> list[list[str]]:
    """Return the top classes as `value:index:label`, most likely first."""
    top = np.argsort(-probabilities, axis=1, kind="stable")[:, :count]
    return [
        [f"{row[index]:f}:{index}:{labels[index]}" for index in order]
        for row, order in zip(probabilities, top, strict=True)
    ]


def _object(name: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadParameter(f"{name} is {reprlib.repr(value)}, expected an object")
    return value


def _parameters(name: str, holder: Mapping[str, Any]) -> dict[str, Any]:
    return _object(f"parameters of {name}", holder.get("parameters") or {})


def _typed(parameters: Mapping[str, Any], name: str, kind: type[T], default: T) -> T:
    value = parameters.get(name, default)
    if type(value) is not kind or (value < 0 and value != default):
        expected = "true or false" if kind is bool else "a non-negative integer"
        raise BadParameter(f"{name} is {reprlib.repr(value)}, expected {expected}")
    return value


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 31
