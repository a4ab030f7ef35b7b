"""The wire format of the Open Inference Protocol v2 over HTTP: JSON and the binary tensor extension. Pure functions.

Source: github.com/kserve/open-inference-protocol and Triton's extensions binary_data and classification. A body is JSON
followed by the binary tensors in the order of the inputs. `Inference-Header-Content-Length` is the length of the JSON.
"""

import re
import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import numpy as np
import numpy.typing as npt
import orjson

from api.routes.compat.json_numbers import MAX_DIMENSIONS, read_numbers
from api.uploads.body import without_mark
from shared.contract.model_ref import ModelRef
from shared.contract.model_spec import MAX_TOP, MNIST_SPEC, ModelSpec
from shared.errors import BadParameter, TooLarge
from shared.images import Probabilities

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

Count = Annotated[int, msgspec.Meta(ge=0)]
Length = Annotated[int, msgspec.Meta(ge=1, lt=1 << 31)]


class _RequestParameters(msgspec.Struct):
    binary_data_output: bool = False
    timeout: Count = 0
    priority: Count = 0


class _InputParameters(msgspec.Struct):
    binary_data_size: Count | None = None


class _OutputParameters(msgspec.Struct):
    binary_data: bool | None = None
    classification: Count = 0


class _Input(msgspec.Struct):
    name: str
    datatype: str
    shape: Annotated[list[Length], msgspec.Meta(min_length=1, max_length=MAX_DIMENSIONS)]
    parameters: _InputParameters | None = None
    data: msgspec.Raw = msgspec.Raw()


class _Output(msgspec.Struct):
    name: str
    parameters: _OutputParameters | None = None


class _Request(msgspec.Struct):
    """The JSON of a request. Other fields are ignored, as the protocol demands of parameters that are not known."""

    inputs: Annotated[list[_Input], msgspec.Meta(min_length=1, max_length=1)]
    id: str | None = None
    outputs: Annotated[list[_Output], msgspec.Meta(max_length=1)] | None = None
    parameters: _RequestParameters | None = None


_DECODER = msgspec.json.Decoder(_Request)


@dataclass(frozen=True, slots=True, kw_only=True)
class InferRequest:
    """A parsed request. `classification` is the number of top classes to return, or 0 for all probabilities."""

    tensor: npt.NDArray[np.generic]
    id: str | None = None
    binary: bool = True
    classification: int = 0
    timeout_us: int = 0
    priority: int = 0


def parse_request(
    body: bytes, header_length: str | None, max_json_bytes: int = 1 << 30, spec: ModelSpec = MNIST_SPEC
) -> InferRequest:
    """Parse the body of a request. Raises BadParameter with the reason, and TooLarge for too much JSON."""
    if header_length is None:
        return _parse_json(body, memoryview(b""), spec)
    split = int(header_length) if LENGTH.fullmatch(header_length) else -1
    if not 0 <= split <= len(body):
        raise BadParameter(f"{LENGTH_HEADER} is {reprlib.repr(header_length)}, but the body has {len(body)} bytes")
    if split > max_json_bytes:
        raise TooLarge(f"the JSON may have at most {max_json_bytes} bytes: send binary tensors")
    return _parse_json(body[:split], memoryview(body)[split:], spec) if split else _parse_raw(body, spec)


def _parse_raw(body: bytes, spec: ModelSpec) -> InferRequest:
    """Parse a raw binary request, which holds only the pixels of one image."""
    if len(body) != spec.image_bytes:
        expected = f"the {spec.image_bytes} bytes of one image"
        raise BadParameter(f"a raw request must have {expected}, this one has {len(body)}")
    return InferRequest(tensor=np.frombuffer(body, np.uint8).reshape(1, *spec.array_shape))


def _parse_json(text: bytes, binary_data: memoryview, spec: ModelSpec) -> InferRequest:
    try:
        content = _DECODER.decode(without_mark(text))
    except msgspec.ValidationError as error:
        raise BadParameter(f"expected a request with one input, {INPUT!r}: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadParameter(f"not JSON: {error}") from None
    parameters = content.parameters or _RequestParameters()
    output = content.outputs[0] if content.outputs else _Output(OUTPUT)
    if output.name != OUTPUT:
        raise BadParameter(f"unknown output {reprlib.repr(output.name)}, expected {OUTPUT!r}")
    asked = output.parameters or _OutputParameters()
    return InferRequest(
        tensor=_input_tensor(content.inputs[0], binary_data),
        id=content.id,
        binary=parameters.binary_data_output if asked.binary_data is None else asked.binary_data,
        classification=min(asked.classification, len(spec.labels), MAX_TOP),
        timeout_us=parameters.timeout,
        priority=parameters.priority,
    )


def _input_tensor(given: _Input, binary_data: memoryview) -> npt.NDArray[Any]:
    if given.name != INPUT:
        raise BadParameter(f"unknown input {reprlib.repr(given.name)}, expected {INPUT!r}")
    if given.datatype not in DTYPES:
        kinds = ", ".join(DTYPES)
        raise BadParameter(f"input {INPUT!r} has type {reprlib.repr(given.datatype)}, expected one of {kinds}")
    dtype = np.dtype(DTYPES[given.datatype])
    size_bytes = given.parameters and given.parameters.binary_data_size
    try:
        if size_bytes is None:
            return _json_data(given, dtype).reshape(given.shape)
        if size_bytes != len(binary_data):
            raise BadParameter(f"input {INPUT!r} declares {size_bytes} binary bytes, but {len(binary_data)} were sent")
        return np.frombuffer(binary_data, dtype).reshape(given.shape)
    except (ValueError, OverflowError):
        raise BadParameter(f"the data of input {INPUT!r} does not match {given.datatype}{given.shape}") from None


def _json_data(given: _Input, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return the JSON data, which may be nested, or flat in row-major order. Raises ValueError."""
    if not given.data:
        raise BadParameter(f"input {INPUT!r} has no data")
    numbers = read_numbers(bytes(given.data))
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        if numbers.dtype.kind == "f" and (numbers % 1).any():
            raise ValueError("fractions")
        if numbers.min() < limits.min or numbers.max() > limits.max:
            raise ValueError("out of range")
    return numbers


def encode_response(
    probabilities: Probabilities, ref: ModelRef, request: InferRequest, labels: Sequence[str]
) -> tuple[bytes, int | None]:
    """Return the body, and the length of its JSON if binary data follows."""
    output: dict[str, Any] = {"name": OUTPUT}
    if request.classification:
        values = _classes(probabilities, request.classification, labels)
        output |= {"datatype": "BYTES", "shape": [len(values), request.classification]}
        flat = [text for row in values for text in row]
        texts = [text.encode() for text in flat]
        data = b"".join(len(text).to_bytes(4, "little") + text for text in texts)
    else:
        output |= {"datatype": "FP32", "shape": list(probabilities.shape)}
        flat = probabilities.ravel()  # type: ignore[assignment]
        data = probabilities.astype("<f4", copy=False).tobytes()
    response: dict[str, Any] = {"model_name": ref.name, "model_version": str(ref.version), "outputs": [output]}
    if request.id is not None:
        response["id"] = request.id
    if not request.binary:
        output["data"] = flat
        return orjson.dumps(response, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE), None
    output["parameters"] = {"binary_data_size": len(data)}
    text = orjson.dumps(response)
    return text + data, len(text)


def _classes(probabilities: Probabilities, count: int, labels: Sequence[str]) -> list[list[str]]:
    """Return the top classes as `value:index:label`, most likely first."""
    top = np.argsort(-probabilities, axis=1, kind="stable")[:, :count]
    return [
        [f"{row[index]:f}:{index}:{labels[index]}" for index in order]
        for row, order in zip(probabilities, top, strict=True)
    ]
