"""Connected components of a mask, found by its horizontal runs."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]  # bool[H,W]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Components:
    """C components. `labels` is int64[H,W]: 0 outside the mask, 1 to C inside. The other arrays are int64[C]."""

    labels: Indices
    area_px: Indices
    top: Indices
    bottom: Indices  # index of the last row, inclusive, as `right` is for columns
    left: Indices
    right: Indices

    @property
    def height(self) -> Indices:
        return self.bottom - self.top + 1

    @property
    def width(self) -> Indices:
        return self.right - self.left + 1


def label(mask: Mask) -> Components:
    """Label the components. Pixels that touch, also by a corner, belong to the same one."""
    height, width = mask.shape
    row_px = width + 2  # an empty column on either side ends every run
    padded = np.zeros((height, row_px), np.int8)
    padded[:, 1:-1] = mask
    steps = np.diff(padded.ravel(), prepend=np.int8(0))
    starts, ends = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
    roots = _joined(len(starts), *_touching(starts, ends, row_px))
    names, component = np.unique(roots, return_inverse=True)
    count = len(names)
    labels = np.zeros(height * row_px, np.int64)
    lengths = ends - starts
    offsets = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    labels[np.repeat(starts, lengths) + offsets] = np.repeat(component + 1, lengths)
    rows = starts // row_px
    lefts, rights = starts % row_px - 1, (ends - 1) % row_px - 1
    return Components(
        labels=labels.reshape(height, row_px)[:, 1:-1],
        area_px=np.bincount(component, lengths, count).astype(np.int64),
        top=_lowest(rows, component, count),
        bottom=-_lowest(-rows, component, count),
        left=_lowest(lefts, component, count),
        right=-_lowest(-rights, component, count),
    )


def _touching(starts: Indices, ends: Indices, row_px: int) -> tuple[Indices, Indices]:
    """Return all pairs of a run and a run that touches it in the row below."""
    first = np.searchsorted(ends, starts + row_px, "left")  # ends of that row that reach this run's left corner
    last = np.searchsorted(starts, ends + row_px, "right")
    counts = np.maximum(last - first, 0)
    above = np.repeat(np.arange(len(starts)), counts)
    below = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(first, counts)
    return above, below


def _joined(count: int, one: Indices, other: Indices) -> Indices:
    """Return the first run of each run's component. Merges the roots of all pairs until every pair shares one."""
    parent = np.arange(count)
    while True:
        left, right = parent[one], parent[other]
        apart = left != right
        if not apart.any():
            return parent
        np.minimum.at(parent, np.maximum(left, right)[apart], np.minimum(left, right)[apart])
        while (parent != parent[parent]).any():
            parent = parent[parent]


def _lowest(values: Indices, component: Indices, count: int) -> Indices:
    lowest = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(lowest, component, values)
    return lowest
