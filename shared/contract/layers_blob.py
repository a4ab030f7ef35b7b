"""The layers blob: the output of each layer of a model for one image. A worker writes the blob, and the API reads it.

Layout: uint32 little-endian header length, JSON header, the 784 pixels that the model saw, then each layer's values,
little-endian, as float16, or as float32 if they are too large for float16.
"""

import math
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from shared.errors import EntryError
from shared.images import IMAGE_BYTES

FORMAT = 1
MAX_VALUES = 2 << 20  # limit for all layers together
SUMMARY = ("min", "mean", "max", "zeros")
_DTYPES: Mapping[str, np.dtype[Any]] = {"f2": np.dtype("<f2"), "f4": np.dtype("<f4")}
_MAX_FLOAT16 = float(np.finfo(np.float16).max)


@dataclass(frozen=True, slots=True, eq=False)
class LayerOutput:
    """The output of one layer, without a batch axis. `summary` is by SUMMARY: `zeros` is a share, and None is a number
    that is not finite.
    """

    name: str
    class_name: str
    values: npt.NDArray[Any]  # float[…]
    summary: Mapping[str, float | None]


@dataclass(frozen=True, slots=True, eq=False)
class Layers:
    """`pixels` is the image as the model saw it. `error` says why there are no outputs, and is empty if there are."""

    pixels: bytes | memoryview
    outputs: Sequence[LayerOutput] = ()
    error: str = ""


def layer_output(name: str, class_name: str, values: npt.NDArray[np.float32]) -> LayerOutput:
    """Return the output together with its summary."""
    numbers = (values.min(), values.mean(dtype=np.float64), values.max(), np.mean(values == 0))
    summary = {key: _rounded(float(number)) for key, number in zip(SUMMARY, numbers, strict=True)}
    return LayerOutput(name, class_name, values, summary)


def encode_layers(layers: Layers) -> bytes:
    """Raises EntryError for more than MAX_VALUES."""
    count = sum(output.values.size for output in layers.outputs)
    if count > MAX_VALUES:
        raise EntryError(f"the layers have {count} values, and {MAX_VALUES} are kept at most")
    rows: list[list[Any]] = []
    parts: list[bytes] = []
    for output in layers.outputs:
        fits = np.abs(output.values).max(initial=0) <= _MAX_FLOAT16
        dtype = "f2" if fits else "f4"
        rows.append(
            [output.name, output.class_name, output.values.shape, dtype, *(output.summary[key] for key in SUMMARY)]
        )
        parts.append(output.values.astype(_DTYPES[dtype]).tobytes())
    header = orjson.dumps({"v": FORMAT, "error": layers.error, "layers": rows})
    return b"".join((len(header).to_bytes(4, "little"), header, layers.pixels, *parts))


def decode_layers(data: bytes | memoryview) -> Layers:
    """Read a blob; the arrays are views of `data`. Raises EntryError if the blob is damaged."""
    try:
        pixels_at = 4 + int.from_bytes(data[:4], "little")
        values_at = pixels_at + IMAGE_BYTES
        header = orjson.loads(data[4:pixels_at])
        if type(header["v"]) is not int or header["v"] != FORMAT:
            raise ValueError(f"format {reprlib.repr(header['v'])}, this program reads {FORMAT}")
        outputs = []
        for row in header["layers"]:
            output = _read_output(row, data, values_at)
            values_at += output.values.nbytes
            outputs.append(output)
        if len(data) != values_at:
            raise ValueError(f"{len(data)} bytes for layers of {values_at}")
        return Layers(data[pixels_at : pixels_at + IMAGE_BYTES], outputs, _string(header["error"]))
    except (KeyError, TypeError, ValueError) as error:
        raise EntryError(f"not a layers blob: {error!r}") from None


def _read_output(row: Any, data: bytes | memoryview, start: int) -> LayerOutput:
    if type(row) is not list or len(row) != 4 + len(SUMMARY):
        raise TypeError(f"a layer is {reprlib.repr(row)}")
    name, class_name, shape, dtype, *summary = row
    if type(shape) is not list or not all(type(side) is int and 0 < side <= MAX_VALUES for side in shape):
        raise TypeError(f"a shape is {reprlib.repr(shape)}")
    if not all(number is None or type(number) in (float, int) for number in summary):
        raise TypeError(f"a summary is {reprlib.repr(summary)}")
    count = math.prod(shape)
    if count > MAX_VALUES:
        raise ValueError(f"a layer of {count} values")
    values: npt.NDArray[Any] = np.frombuffer(data, _DTYPES[_string(dtype)], count, start).reshape(shape)
    return LayerOutput(_string(name), _string(class_name), values, dict(zip(SUMMARY, summary, strict=True)))


def _string(value: object) -> str:
    if type(value) is not str:
        raise TypeError(f"expected a string, not {reprlib.repr(value)}")
    return value


def _rounded(number: float) -> float | None:
    return float(f"{number:.6g}") if math.isfinite(number) else None
