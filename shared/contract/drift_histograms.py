"""Histograms that show drift: counts of inputs and answers, in bins that workers, model cards and the API share.

A change of a bin changes the meaning of `reference` in every card.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from shared.images import CLASSES, IMAGE_BYTES, IMAGE_SIDE, Images, Probabilities

Counts = npt.NDArray[np.int64]  # int64[bins]

CENTRE_PX = 14.0  # the centre of mass of every MNIST digit, in both directions
CONFIDENCE_EDGES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # bins of the largest probability
INK_EDGES = (0.02, 0.04, 0.06, 0.08, 0.10, 0.12, 0.14, 0.16, 0.18, 0.20, 0.25, 0.35, 0.5)  # mean of the pixels, 0 to 1
OFFSET_EDGES = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)  # px, of the centre of mass from CENTRE_PX

BINS: Mapping[str, int] = {
    "predictions": CLASSES,
    "confidence": len(CONFIDENCE_EDGES) + 1,
    "ink": len(INK_EDGES) + 1,
    "offset": len(OFFSET_EDGES) + 1,
}

_FROM_CENTRE = np.arange(IMAGE_SIDE, dtype=np.float32) - CENTRE_PX


def histograms(images: Images, probabilities: Probabilities) -> dict[str, Counts]:
    """Count uint8[N,28,28] and their float32[N,10] answers in each histogram of BINS.

    A value on an edge belongs to the bin above it. An image without ink is in the last bin of `offset`.
    """
    # Sums instead of a matrix product, for which numpy's library would start threads on the cores that run the models.
    pixels = images.astype(np.float32)
    by_row, by_column = np.einsum("nrc->nr", pixels), np.einsum("nrc->nc", pixels)
    ink = by_row.sum(axis=1)
    moment = np.hypot((by_row * _FROM_CENTRE).sum(axis=1), (by_column * _FROM_CENTRE).sum(axis=1))
    offset_px = np.divide(moment, ink, out=np.full_like(ink, np.inf), where=ink > 0)
    return {
        "predictions": np.bincount(probabilities.argmax(axis=1), minlength=CLASSES),
        "confidence": _count(probabilities.max(axis=1), CONFIDENCE_EDGES),
        "ink": _count(ink / (255 * IMAGE_BYTES), INK_EDGES),
        "offset": _count(offset_px, OFFSET_EDGES),
    }


def shares(counts: Mapping[str, Counts]) -> dict[str, list[float]]:
    """Return the shares that a card has under `reference`. Each histogram adds up to 1."""
    return {name: [round(float(share), 6) for share in of / max(1, of.sum())] for name, of in counts.items()}


def _count(values: npt.NDArray[np.float32], edges: tuple[float, ...]) -> Counts:
    return np.bincount(np.searchsorted(np.array(edges, np.float32), values, side="right"), minlength=len(edges) + 1)
