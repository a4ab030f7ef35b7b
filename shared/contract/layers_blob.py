"""The layers blob: the output of each layer of a model for one image. A worker writes the blob, and the API reads it.

Layout: uint32 little-endian header length, JSON header, the pixels that the model saw, then each layer's values,
little-endian, as float16, or as float32 if they are too large for float16.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from shared.errors import EntryError
from shared.shapes import MNIST_SHAPE, Shape

MAX_VALUES = 2 << 20  # limit for all layers together
SUMMARY = ("min", "mean", "max", "zeros")
_MAX_FLOAT16 = float(np.finfo(np.float16).max)


@dataclass(frozen=True, slots=True, eq=False)
class LayerOutput:
    """The output of one layer, without a batch axis. `summary` has a number for each name in SUMMARY. `zeros` is a
    share, and None stands for a number that is not finite.
    """

    name: str
    class_name: str
    values: npt.NDArray[Any]  # float[…]
    summary: Mapping[str, float | None]


class LayerHeader(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The description of one layer in the JSON header, as a list."""

    name: str
    class_name: str
    shape: tuple[Annotated[int, msgspec.Meta(gt=0, le=MAX_VALUES)], ...]
    dtype: Literal["f2", "f4"]
    min: float | None
    mean: float | None
    max: float | None
    zeros: float | None


class LayersHeader(msgspec.Struct, frozen=True):
    """The JSON header. `v` is the version of the format, and `shape` that of the image, by default MNIST's."""

    v: Literal[1]
    error: str
    layers: list[LayerHeader]
    shape: tuple[int, int, int] = MNIST_SHAPE


@dataclass(frozen=True, slots=True, eq=False)
class Layers:
    """`pixels` is the image as the model saw it. `error` says why there are no outputs, and is empty if there are."""

    pixels: bytes | memoryview
    outputs: Sequence[LayerOutput] = ()
    error: str = ""
    shape: Shape = MNIST_SHAPE


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(LayersHeader)


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
    rows: list[LayerHeader] = []
    parts: list[bytes] = []
    for output in layers.outputs:
        dtype: Literal["f2", "f4"] = "f2" if np.abs(output.values).max(initial=0) <= _MAX_FLOAT16 else "f4"
        rows.append(LayerHeader(output.name, output.class_name, output.values.shape, dtype, **output.summary))
        parts.append(output.values.astype(f"<{dtype}").tobytes())
    header = _encoder.encode(LayersHeader(1, layers.error, rows, layers.shape))
    return b"".join((len(header).to_bytes(4, "little"), header, layers.pixels, *parts))


def decode_layers(data: bytes | memoryview) -> Layers:
    """Read a blob; the arrays are views of `data`. Raises EntryError if the blob is damaged."""
    pixels_at = 4 + int.from_bytes(data[:4], "little")
    outputs: list[LayerOutput] = []
    try:
        header = _decoder.decode(data[4:pixels_at])
        pixels_end = values_at = pixels_at + math.prod(header.shape)
        for row in header.layers:
            count = math.prod(row.shape)
            if count > MAX_VALUES:
                raise ValueError(f"a layer of {count} values")
            values: npt.NDArray[Any] = np.frombuffer(data, f"<{row.dtype}", count, values_at).reshape(row.shape)
            summary = {name: getattr(row, name) for name in SUMMARY}
            outputs.append(LayerOutput(row.name, row.class_name, values, summary))
            values_at += values.nbytes
        if len(data) != values_at:
            raise ValueError(f"{len(data)} bytes for layers of {values_at}")
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise EntryError(f"not a layers blob: {error}") from None
    return Layers(data[pixels_at:pixels_end], outputs, header.error, header.shape)


def _rounded(number: float) -> float | None:
    return float(f"{number:.6g}") if math.isfinite(number) else None
