"""Histograms that show drift: counts of inputs and answers, in bins that workers, model cards and the API share.

A change of a bin changes the meaning of `reference` in every card.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from shared.contract.model_spec import MAX_DENSE_LABELS
from shared.images import Images, Probabilities
from shared.shapes import CLASSES, IMAGE_BYTES, IMAGE_SIDE, MNIST_SHAPE, axes_of

Counts = npt.NDArray[np.int64]  # int64[bins]

CENTRE_PX = 14.0  # the centre of mass of every MNIST digit, in both directions
CONFIDENCE_EDGES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # bins of the largest probability
INK_EDGES = (0.02, 0.04, 0.06, 0.08, 0.10, 0.12, 0.14, 0.16, 0.18, 0.20, 0.25, 0.35, 0.5)  # mean of the pixels, 0 to 1
OFFSET_EDGES = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)  # px, of the centre of mass from CENTRE_PX


def bins_of(axes: Sequence[int], labels: int) -> dict[str, int]:
    """Return the number of bins of each histogram, for images of the shape `axes` and a number of labels.

    `predictions` is for versions with few labels, and `offset` for grey images of MNIST's size.
    """
    bins = {"predictions": labels} if labels <= MAX_DENSE_LABELS else {}
    bins |= {"confidence": len(CONFIDENCE_EDGES) + 1, "ink": len(INK_EDGES) + 1}
    return bins | ({"offset": len(OFFSET_EDGES) + 1} if tuple(axes) == axes_of(MNIST_SHAPE) else {})


BINS: Mapping[str, int] = bins_of(axes_of(MNIST_SHAPE), CLASSES)  # the histograms of MNIST models

_FROM_CENTRE = np.arange(IMAGE_SIDE, dtype=np.float32) - CENTRE_PX
_ROW_FROM_CENTRE, _COLUMN_FROM_CENTRE = np.repeat(_FROM_CENTRE, IMAGE_SIDE), np.tile(_FROM_CENTRE, IMAGE_SIDE)


def histograms(images: Images, probabilities: Probabilities) -> dict[str, Counts]:
    """Count images and their answers, float32[N,K], in each histogram of `bins_of`.

    A value on an edge belongs to the bin above it. An image without ink is in the last bin of `offset`.
    """
    labels = probabilities.shape[1]
    bins = bins_of(images.shape[1:], labels)
    counts = {"confidence": _count(probabilities.max(axis=1), CONFIDENCE_EDGES)}
    if "predictions" in bins:
        counts["predictions"] = np.bincount(probabilities.argmax(axis=1), minlength=labels)
    counts |= _of_digits(images) if "offset" in bins else {"ink": _count(_mean_pixels(images), INK_EDGES)}
    return {name: counts[name] for name in bins}


def shares(counts: Mapping[str, Counts]) -> dict[str, list[float]]:
    """Return the shares that a card has under `reference`. Each histogram adds up to 1."""
    return {name: [round(float(share), 6) for share in of / max(1, of.sum())] for name, of in counts.items()}


def _mean_pixels(images: Images) -> npt.NDArray[np.float32]:
    """Return the mean of each image, from 0 to 1, and 0 for no pixels."""
    means: npt.NDArray[np.float32] = images.reshape(len(images), math.prod(images.shape[1:])).mean(1, np.float32) / 255
    return means


def _of_digits(images: Images) -> dict[str, Counts]:
    # Sums instead of a matrix product, for which numpy's library would start threads on the cores that run the models.
    # Each sum is a whole number below 2^24, so float32 adds it up exactly in any order.
    pixels = images.reshape(-1, IMAGE_BYTES).astype(np.float32)
    ink = np.einsum("np->n", pixels)
    moment = np.hypot(np.einsum("np,p->n", pixels, _ROW_FROM_CENTRE), np.einsum("np,p->n", pixels, _COLUMN_FROM_CENTRE))
    offset_px = np.divide(moment, ink, out=np.full_like(ink, np.inf), where=ink > 0)
    return {
        "ink": _count(ink / (255 * IMAGE_BYTES), INK_EDGES),
        "offset": _count(offset_px, OFFSET_EDGES),
    }


def _count(values: npt.NDArray[np.float32], edges: tuple[float, ...]) -> Counts:
    return np.bincount(np.searchsorted(np.array(edges, np.float32), values, side="right"), minlength=len(edges) + 1)
