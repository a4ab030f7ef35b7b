"""Finds straight thin lines of ink that are nearly horizontal. Vertical lines are those of the transposed mask."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from api.images.fit.components import Mask

SLOPES = np.linspace(-0.15, 0.15, 31)  # rise per pixel
BIN_PX, SHORT_BIN_PX = 2, 1  # resolution of the offsets of lines, and of short ones, which may be close together
SHORT_PX = 100
MAX_LINES = 24
MAX_MISSES = 12  # that are too short, before the search ends
NEAR_PX = 3  # how far a line may bend from straight
MIN_THIN = 0.35  # part of a line's columns in which no stroke covers it
MAX_BREAK_PX = 8  # in a part of a line
SPECK = 0.5  # a part at the end that is shorter than this fraction of the break before it does not belong to the line
CROSSING = 1.6  # ink this many times as thick as the line is a stroke that crosses it

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Line:
    """A line: for each column that it has thin ink in, the first row of the ink, and its thickness.

    `rows` is float64[W], the middle of the line in each column of the mask. The ink covers `covered` columns.
    """

    columns: Numbers
    tops: Numbers
    thickness: Numbers
    rows: npt.NDArray[np.float64]
    covered: int

    @property
    def first(self) -> int:
        return int(self.columns.min())

    @property
    def last(self) -> int:
        return int(self.columns.max())

    @property
    def typical_px(self) -> float:
        return float(np.median(self.thickness))

    def clear(self, cleared: Mask, left: int = 0, top: int = 0) -> None:
        """Mark the line with one more pixel on either side in bool[H,W], except where a stroke crosses it.

        `left` and `top` are where the mask of the line begins.
        """
        widest = CROSSING * self.typical_px + 1
        for extra in range(-1, int(widest) + 2):
            rows = self.tops + top + extra
            part = (extra <= self.thickness) & (self.thickness <= widest) & (rows >= 0) & (rows < len(cleared))
            cleared[rows[part], self.columns[part] + left] = True


def lines_of(mask: Mask, max_px: int, min_columns: float) -> list[Line]:
    """Return lines that cover `min_columns` and are at most `max_px` thick, those with the most ink first."""
    width = mask.shape[1]
    steps = np.diff(np.pad(mask.T.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    columns, tops = np.nonzero(steps == 1)
    ends = np.nonzero(steps == -1)[1]
    centres = (tops + ends) / 2
    free = ends - tops <= max_px
    found: list[Line] = []
    misses = 0
    while len(found) < MAX_LINES and misses < MAX_MISSES:
        straight = _straightest(columns[free] - width / 2, centres[free], mask.shape, MIN_THIN * min_columns)
        if straight is None:
            break
        curve = _bent(columns - width / 2, centres, free, *straight)
        expected = np.polyval(curve, columns - width / 2)
        near = free & (np.abs(centres - expected) <= NEAR_PX)
        if not near.any():
            break
        thickness = float(np.median((ends - tops)[near]))
        free &= ~near
        near &= np.abs(centres - expected) <= min(NEAR_PX, 1 + thickness / 2)
        if not near.any():
            continue
        covering = (tops <= expected + 1.5) & (ends >= expected - 1.5)
        near &= _without_specks(columns, near | covering)
        if not near.any():
            continue
        inside = (columns >= columns[near].min()) & (columns <= columns[near].max())
        covered = len(np.unique(columns[(covering & inside) | near]))
        if covered >= min_columns:
            rows = np.polyval(curve, np.arange(width) - width / 2)
            found.append(Line(columns[near], tops[near], (ends - tops)[near], rows, covered))
        else:
            misses += 1
    return found


def _without_specks(columns: Numbers, inked: Mask) -> Mask:
    """Return which columns lie between the ends of a line, without specks that lie far beyond its ends."""
    own = np.unique(columns[inked])
    breaks = np.flatnonzero(np.diff(own) > MAX_BREAK_PX)
    firsts, lasts = own[np.append(0, breaks + 1)], own[np.append(breaks, len(own) - 1)]
    first, last = 0, len(firsts) - 1
    while first < last and lasts[first] - firsts[first] < SPECK * (firsts[first + 1] - lasts[first]):
        first += 1
    while first < last and lasts[last] - firsts[last] < SPECK * (firsts[last] - lasts[last - 1]):
        last -= 1
    between: Mask = (columns >= firsts[first]) & (columns <= lasts[last])
    return between


def _straightest(
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], shape: tuple[int, ...], min_count: float
) -> tuple[float, float] | None:
    """Return (slope, offset) of the line through the most points, or None if it has less than `min_count`."""
    if len(x) < min_count:
        return None
    height, width = shape
    bin_px = SHORT_BIN_PX if width <= SHORT_PX else BIN_PX
    best, best_count = None, min_count
    for slope in SLOPES:
        counts = np.bincount(np.maximum(0, (y - slope * x + height) / bin_px).astype(np.intp), minlength=2)
        both = counts[:-1] + counts[1:]
        if both.max() >= best_count:
            best, best_count = (float(slope), (int(both.argmax()) + 1.0) * bin_px - height), float(both.max()) + 0.5
    return best


def _bent(
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], free: Mask, slope: float, offset: float
) -> npt.NDArray[np.float64]:
    """Return the polynomial that follows the line: the camera's lens may bend it a little."""
    curve = np.array([slope, offset])
    for degree in (1, 2):
        near = free & (np.abs(y - np.polyval(curve, x)) <= NEAR_PX)
        if len(np.unique(x[near])) > degree + 1:
            curve = np.polyfit(x[near], y[near], degree)
    return curve
