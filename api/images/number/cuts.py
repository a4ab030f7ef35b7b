"""Finds where a group of ink may be cut into digits that touch: paths from top to bottom through little ink."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from api.images.fit.ink import Ink
from api.images.fit.normalise import stroke_px

ROWS = 48  # height at which paths are searched
STEP_COST = 0.03  # cost of a column to the side, in strokes
MAX_STROKES = 3.0  # that a path may cross
MIN_PART = 0.09  # width of what a cut leaves, as a fraction of the height
MIN_DISTANCE = 0.12  # between cuts
MIN_WIDTH = 0.42  # narrower groups are not cut
CUTS_PER_WIDTH = 4.5  # number of cuts for each further height of a group's width
UNCUT_WIDTH = 0.35  # width of a group that would have no cuts

Paths = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Cut:
    """`columns` is float64[H], the first column to the right of the cut in each row. `strokes` is the ink it cuts."""

    columns: Paths
    strokes: float


def cuts_of(ink: Ink, digit_px: float) -> list[Cut]:
    """Return cuts of a group (float32[H,W]) from left to right. They do not cross each other."""
    height, width = ink.shape
    if width < MIN_WIDTH * digit_px:
        return []
    scale = ROWS / max(height, 1)
    columns = max(3, round(width * scale))
    small = np.asarray(Image.fromarray(ink).resize((columns, ROWS), Image.Resampling.BOX), np.float64)
    stroke = max(1.0, stroke_px(np.asarray(small, np.float32)))
    down, from_above = _paths(small / stroke)
    up, from_below = _paths(small[::-1] / stroke)
    middle = ROWS // 2
    total = down[middle] + up[ROWS - 1 - middle] - small[middle] / stroke
    digit = digit_px * scale
    limit = max(1, round(CUTS_PER_WIDTH * (width / digit_px - UNCUT_WIDTH)))
    own = np.arange(columns)
    found: list[Cut] = []
    for column in np.argsort(total, kind="stable"):
        if total[column] > MAX_STROKES or len(found) == limit:
            break
        if any(abs(column - other.columns[middle]) < MIN_DISTANCE * digit for other in found):
            continue
        ends = _trace(from_above, middle, int(column)), _trace(from_below, ROWS - 1 - middle, int(column))
        path = np.concatenate([ends[0][:-1], ends[1][::-1]])
        left = own[None, :] < path[:, None]
        if min(_width(small, left), _width(small, ~left)) >= MIN_PART * digit:
            found.append(Cut(path, float(total[column])))
    return [
        Cut(np.interp((np.arange(height) + 0.5) * scale - 0.5, np.arange(ROWS), path + 0.5) / scale, strokes)
        for path, strokes in _uncrossed(sorted(found, key=lambda cut: cut.columns[middle]), small, MIN_PART * digit)
    ]


def _uncrossed(cuts: list[Cut], ink: Paths, min_width: float) -> list[tuple[Paths, float]]:
    """Move cuts that cross the one before, and leave out those that leave nothing as wide as a digit between them."""
    kept: list[tuple[Paths, float]] = []
    own = np.arange(ink.shape[1])
    for cut in cuts:
        path = np.maximum(cut.columns, kept[-1][0]) if kept else cut.columns
        between = (own[None, :] < path[:, None]) & (own[None, :] >= kept[-1][0][:, None]) if kept else None
        if between is None or _width(ink, between) >= min_width:
            kept.append((path, cut.strokes))
        elif cut.strokes < kept[-1][1]:
            kept[-1] = (path, cut.strokes)
    return kept


def _paths(cost: Paths) -> tuple[Paths, npt.NDArray[np.intp]]:
    """Return for each pixel the cost of the best path from the first row to it, and the column it comes from."""
    rows, columns = cost.shape
    total = np.empty_like(cost)
    previous = np.zeros((rows, columns), np.intp)
    total[0] = cost[0]
    own = np.arange(columns)
    for row in range(1, rows):
        above = np.pad(total[row - 1], 1, constant_values=np.inf)
        options = np.stack([above[1:-1], above[:-2] + STEP_COST, above[2:] + STEP_COST])
        choice = options.argmin(0)
        previous[row] = own + np.array([0, -1, 1])[choice]
        total[row] = options[choice, own] + cost[row]
    return total, previous


def _trace(previous: npt.NDArray[np.intp], row: int, column: int) -> Paths:
    """Return the columns of the path that ends at (row, column), from the first row on."""
    path = np.empty(row + 1)
    for at in range(row, -1, -1):
        path[at] = column
        column = int(previous[at, column])
    return path


def _width(ink: Paths, mask: npt.NDArray[np.bool_]) -> float:
    columns = np.flatnonzero(((ink > 0.3) & mask).any(0))
    return float(columns[-1] - columns[0] + 1) if len(columns) else 0.0
