"""The way from images to the input tensor of a model file, and from its output tensor to probabilities.

A model file takes one number for each of the 256 values of a pixel. A table holds these numbers, so that scaling,
normalisation and quantisation cost one look-up per pixel and give exactly the numbers that their formulas give.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from shared.contract.model_spec import InputSpec, Layout, Normalization, Output, Values
from shared.images import Images, Probabilities

LEVELS = 256  # values of a pixel

Table = npt.NDArray[Any]  # [1 or channels, 256], of the type of the file's input


class Quantization(NamedTuple):
    """The meaning of a quantised tensor: an integer q stands for (q - zero) * scale."""

    scale: float
    zero: int


def pixel_table(spec: InputSpec, dtype: npt.DTypeLike, quantization: Quantization | None = None) -> Table | None:
    """Return the input number for each value of a pixel, or None if the file takes the pixels as they are.

    The table has one row for all channels, or one for each of them. `quantized` spreads the pixels over all integers of
    the type. Raises ValueError for values that an input of integers without quantisation cannot take.
    """
    levels = np.arange(LEVELS, dtype=np.float32)
    kind = np.dtype(dtype)
    if spec.values == "quantized":
        if kind.kind not in "iu":
            raise ValueError(f"the file takes {kind}, so its input is not quantized")
        limits = np.iinfo(kind)
        spread = np.linspace(limits.min, limits.max, LEVELS)
        table: Table = np.rint(spread).astype(kind)[None]
        return None if limits.max == LEVELS - 1 else table
    values: npt.NDArray[np.float32] = normalize(levels[:, None], spec.values).T
    if quantization is not None:
        limits = np.iinfo(kind)
        rounded = np.rint(values / np.float32(quantization.scale)) + quantization.zero
        quantized: Table = np.clip(rounded, limits.min, limits.max).astype(kind)
        return quantized
    if spec.values == "0..255" and (kind.kind == "f" or np.iinfo(kind).max >= LEVELS - 1):
        return None
    if kind.kind != "f":
        raise ValueError(f"the file takes {kind} without a scale and zero point")
    return values.astype(kind)


def normalize(pixels: Any, values: Values) -> Any:
    """Return the numbers for float32 pixels [..., 1 or channels] from 0 to 255, an array of any library.

    The roundings of float32 are those that a training pipeline makes.
    """
    if isinstance(values, Normalization):
        mean, std = np.array(values.mean, np.float32), np.array(values.std, np.float32)
        return (pixels / np.float32(255) - mean) / std
    if values == "0..1":
        return pixels / np.float32(255)
    if values == "-1..1":
        return pixels / np.float32(127.5) - np.float32(1)
    return pixels


def image_shape(spec: InputSpec, rank: int) -> tuple[int, ...]:
    """Return the shape of one image in an input tensor of this rank, which counts the batch."""
    if rank == 3:
        return spec.height, spec.width
    channels_first = spec.channels, spec.height, spec.width
    return channels_first if spec.layout == "NCHW" else (spec.height, spec.width, spec.channels)


def write_pixels(target: npt.NDArray[Any], images: Images, table: Table | None, layout: Layout) -> None:
    """Write images uint8[S,H,W] or uint8[S,H,W,C] into an input tensor of as many images."""
    if layout == "NCHW" and target.ndim == 4:
        target = np.moveaxis(target, 1, -1)
    images = images.reshape(target.shape)
    if table is None:
        np.copyto(target, images, casting="unsafe")
    elif len(table) == 1:
        target[...] = table[0].take(images)
    else:
        for channel, row in enumerate(table):
            target[..., channel] = row.take(images[..., channel])


def read_probabilities(
    answers: npt.NDArray[Any], output: Output, quantization: Quantization | None = None
) -> Probabilities:
    """Return probabilities float32[S,K] from an output tensor of S images.

    One number per image is that of the second of two labels: a sigmoid, or its logit. Quantised probabilities are those
    of the file, so their sum can be off by half a step for each label.
    """
    if output == "probabilities" and quantization is None and answers.ndim == 2 and answers.dtype == np.float32:
        return answers
    values = answers.reshape(len(answers), -1)
    if quantization is not None:
        values = (values.astype(np.float32) - np.float32(quantization.zero)) * np.float32(quantization.scale)
    elif values.dtype != np.float32:
        values = values.astype(np.float32)
    if output == "probabilities":
        return values
    if output == "sigmoid":
        return np.concatenate([1 - values, values], axis=1)
    return _softmax(np.pad(values, ((0, 0), (1, 0))) if values.shape[1] == 1 else values)


def _softmax(logits: npt.NDArray[np.float32]) -> Probabilities:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: Probabilities = powers / powers.sum(axis=1, keepdims=True)
    return probabilities
