"""Levels a line of ink, scales it to one height and shortens its gaps: the strip that the number model reads."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from api.images.fit.ink import Ink, extreme_of
from api.images.fit.normalise import MIN_STROKE_PX, TYPICAL_STROKE_PX, stroke_px
from api.images.number.line import InkLine
from shared.errors import BadImage
from shared.images import Images
from shared.shapes import MAX_WINDOWS, WINDOW_SHAPE

HEIGHT_PX, WINDOW_PX, _ = WINDOW_SHAPE
STEP_PX = 4  # between windows
FURTHER_WINDOWS = 1  # behind the last ink: the network may name a digit just after its middle
DIGIT_PX = 20  # height of a digit in a strip
# Columns are this much wider than rows are high, so that a narrow 1 has a window of its own. One strip for each: two
# different views of a line are less likely to be read wrongly in the same way.
WIDENINGS = (1.25, 1.12)
MIN_SQUEEZE = 0.6  # a longer line is made narrower, at most to this
ENLARGEMENT = 4  # strokes are widened in a drawing this many times as large
MAX_GAP = 0.35  # between digits, as a fraction of their height; a wider gap is shortened
REACH = 0.35  # a column's height is that of the ink so far to both sides, as a fraction of the digits' height
HEIGHT_SHARE = 60  # percentile of the columns' heights that counts as the height of a digit
MAX_SLOPE = 0.25  # rise of the line per column
STEADINESS = 0.3  # the larger, the less a short line is turned

Columns = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Strip:
    """A line as uint8[28,W], 255 for ink. W leaves room for `windows` windows, and half of one on both sides.

    `middles` is float64[C], where in the windows' numbers each column of the `InkLine` is.
    """

    pixels: npt.NDArray[np.uint8]
    windows: int
    middles: Columns


def strip_of(line: InkLine, widening: float = WIDENINGS[0]) -> Strip:
    """Return a strip of a line. Raises BadImage for one that is too long."""
    mask = line.groups > 0
    inked = np.flatnonzero(mask.any(0))
    tops, bottoms = _envelope(mask, inked, max(1, round(REACH * line.digit_px)))
    centres, height = (tops + bottoms) / 2, float(np.percentile(bottoms - tops, HEIGHT_SHARE)) + 1
    slope = _slope(inked, centres, height)
    across = inked - inked.mean()
    middle = float(np.median(centres - slope * across))
    kept = _kept_columns(inked, max(1, round(MAX_GAP * height)))
    ink = np.where(mask, line.soft, 0)[:, kept]
    level = _levelled(ink, middle + slope * (kept - inked.mean()), round(height * HEIGHT_PX / DIGIT_PX))
    drawn, squeeze = _drawn(level, height, widening)
    windows = max(1, -(-drawn.shape[1] // STEP_PX)) + FURTHER_WINDOWS
    canvas = np.zeros((HEIGHT_PX, WINDOW_PX + STEP_PX * (windows - 1)), np.float32)
    left = (canvas.shape[1] - STEP_PX * FURTHER_WINDOWS - drawn.shape[1]) // 2
    canvas[:, left : left + drawn.shape[1]] = drawn
    place = left + (np.arange(len(kept)) + 0.5) * squeeze
    middles = np.interp(np.arange(mask.shape[1]), kept, (place - WINDOW_PX / 2) / STEP_PX)
    pixels: npt.NDArray[np.uint8] = np.rint(np.clip(canvas, 0, 1) * 255).astype(np.uint8)
    return Strip(pixels, windows, middles)


def windows_of(strip: Strip) -> Images:
    """Return uint8[N,28,40]: window n begins at column 4·n of the strip."""
    views = np.lib.stride_tricks.sliding_window_view(strip.pixels, WINDOW_PX, axis=1)[:, ::STEP_PX]
    windows: Images = np.ascontiguousarray(views.transpose(1, 0, 2))
    return windows


def _envelope(mask: npt.NDArray[np.bool_], inked: npt.NDArray[np.int64], reach: int) -> tuple[Columns, Columns]:
    """Return the first and the last row of ink around each inked column."""
    height = len(mask)
    first = np.where(mask.any(0), mask.argmax(0), height).astype(np.float64)
    last = np.where(mask.any(0), height - 1 - mask[::-1].argmax(0), -1).astype(np.float64)
    padded = (np.pad(first, reach, constant_values=height), np.pad(last, reach, constant_values=-1))
    around = [np.lib.stride_tricks.sliding_window_view(each, 2 * reach + 1) for each in padded]
    return around[0].min(1)[inked], around[1].max(1)[inked]


def _slope(inked: npt.NDArray[np.int64], centres: Columns, height: float) -> float:
    """Return the rise of the line per column, less for a short line, whose digits differ more than it rises."""
    across = (inked - inked.mean()) / height
    slope = float(across @ (centres - centres.mean()) / (across @ across + STEADINESS * len(inked))) / height
    return float(np.clip(slope, -MAX_SLOPE, MAX_SLOPE))


def _kept_columns(inked: npt.NDArray[np.int64], gap_px: int) -> npt.NDArray[np.int64]:
    """Return all columns from the first to the last ink, without the middle of each wide gap."""
    columns = np.arange(inked[0], inked[-1] + 1)
    after = np.searchsorted(inked, columns)
    to_next = inked[after] - columns
    since_last = np.where(to_next == 0, 0, columns - inked[np.maximum(after - 1, 0)])
    kept: npt.NDArray[np.int64] = columns[np.minimum(to_next, since_last) <= gap_px / 2]
    return kept


def _levelled(ink: Ink, middles: Columns, rows: int) -> Ink:
    """Return `rows` rows of each column, those around its middle."""
    first = np.rint(middles - rows / 2).astype(np.int64)
    wanted = first[None, :] + np.arange(rows)[:, None]
    inside = (wanted >= 0) & (wanted < len(ink))
    taken = np.take_along_axis(ink, np.clip(wanted, 0, len(ink) - 1), axis=0)
    level: Ink = np.where(inside, taken, 0).astype(np.float32)
    return level


def _drawn(level: Ink, height: float, widening: float) -> tuple[Ink, float]:
    """Return the ink in HEIGHT_PX rows, with strokes of at least the usual width, and its columns per column."""
    width = level.shape[1]
    columns = max(1, round(width * widening * DIGIT_PX / height))
    longest = STEP_PX * (MAX_WINDOWS - FURTHER_WINDOWS)
    if columns > STEP_PX * MAX_WINDOWS / MIN_SQUEEZE:
        raise BadImage(f"no number found: the line is {width / height:.0f} times as long as its digits are high")
    columns = min(columns, longest)
    fine = _resized(level, (max(1, round(width * ENLARGEMENT * DIGIT_PX / height)), HEIGHT_PX * ENLARGEMENT))
    width_px = stroke_px(fine) / ENLARGEMENT
    if width_px < MIN_STROKE_PX:
        steps = max(1, round((TYPICAL_STROKE_PX - width_px) * ENLARGEMENT / 2))
        fine = extreme_of(fine, 2 * steps + 1, np.maximum)
    return _resized(fine, (columns, HEIGHT_PX)), columns / width


def _resized(ink: Ink, size: tuple[int, int]) -> Ink:
    smaller = size[1] < len(ink)
    return np.asarray(Image.fromarray(ink).resize(size, Image.Resampling.BOX if smaller else Image.Resampling.BILINEAR))
