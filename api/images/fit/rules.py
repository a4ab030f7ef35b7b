"""Removes the rules of lined and squared paper and the boxes of forms, and keeps the strokes that cross them."""

from itertools import combinations

import numpy as np

from api.images.fit.cells import sides_of_cells
from api.images.fit.components import Mask, label
from api.images.fit.ink import Ink
from api.images.fit.lines import Line, lines_of

FAINT = 0.33  # part of the threshold above which ink may be that of a line
SMOOTHING_PX = 7  # along a line, against noise
LONG_PX = 25  # length of ink that may be part of a line
MAX_THICKNESS = 0.02  # the thickest line, as a fraction of the picture's longer side
MIN_RULE_LENGTH = 0.85  # fraction of the picture that a rule crosses; one may be a stroke, two are none
MIN_LONE_RULE_LENGTH = 0.97  # a lone horizontal line; a 1 may be as high as the picture
MAX_CROSSING_INK = 0.55  # part of the square around a crossing
MIN_BOX_PX = 14
SIDE_COVER = 0.7  # fraction of its length in which a box's side has ink
SAME_ENDS = 0.25  # tolerance for the ends of a box's upper and lower side, relative to its height
MAX_INNER_SIDE = 2.2  # thickness of a line between two boxes, relative to the outer sides; each box may draw its own
TILT = 0.12  # how much more than both outer sides a line between two boxes may lean, relative to its length
CERTAIN_SIDE_COVER = 0.91  # a side of one of several equal boxes
CORNER = 0.08  # part of a side's length in which it reaches its corner
BEYOND = 0.25  # how far a side is followed beyond its corners, relative to its length
MIN_CONTENT = 0.3  # height of what is in a box, as a fraction of the box; the middle bar of an 8 is lower


def without_rules(ink: Ink, threshold: float) -> Ink:
    """Return the ink without rules and boxes: float32[H,W]."""
    level, upright = _elongated(ink, 1, FAINT * threshold), _elongated(ink, 0, FAINT * threshold)
    max_px = max(3, round(MAX_THICKNESS * max(ink.shape)))
    cleared = np.zeros(ink.shape, np.bool_)
    horizontal = lines_of(level, max_px, max(MIN_BOX_PX, 0.15 * ink.shape[1]))
    vertical = lines_of(upright.T, max_px, MIN_RULE_LENGTH * ink.shape[0])
    _clear_boxes(ink > threshold / 2, upright, horizontal, max_px, cleared)
    rules = [line for line in horizontal if line.covered >= MIN_RULE_LENGTH * ink.shape[1]]
    if len(rules) + len(vertical) > 1 or (rules and rules[0].covered >= MIN_LONE_RULE_LENGTH * ink.shape[1]):
        for line in rules:
            line.clear(cleared)
        for line in vertical:
            line.clear(cleared.T)
        _clear_crossings(ink > threshold / 2, rules, vertical, cleared)
    return np.where(cleared, 0, ink).astype(np.float32) if cleared.any() else ink


def _clear_crossings(mask: Mask, horizontal: list[Line], vertical: list[Line], cleared: Mask) -> None:
    """Mark where two lines cross and no stroke is. A line itself keeps what looks like a stroke that crosses it."""
    for level in horizontal:
        for upright in vertical:
            column = int(upright.rows[min(int(level.rows.mean()), len(mask) - 1)])
            row = int(level.rows[min(max(column, 0), mask.shape[1] - 1)])
            half = SMOOTHING_PX // 2 + round((level.typical_px + upright.typical_px) / 2)
            area = (slice(max(0, row - half), row + half + 1), slice(max(0, column - half), column + half + 1))
            if mask[area].size and mask[area].mean() < MAX_CROSSING_INK:
                cleared[area] = True


def _elongated(ink: Ink, axis: int, threshold: float) -> Mask:
    """Return the ink that continues along its row (axis 1) or column (axis 0): bool[H,W]."""
    mask = _mean_along(ink, axis, SMOOTHING_PX) > threshold
    across = np.pad(mask, [(1, 1) if each != axis else (0, 0) for each in (0, 1)])
    thick = across[2:] | across[1:-1] | across[:-2] if axis else across[:, 2:] | across[:, 1:-1] | across[:, :-2]
    long: Mask = mask & (_mean_along(thick.astype(np.float32), axis, LONG_PX) > 0.5)
    return long


def _mean_along(values: Ink, axis: int, length: int) -> Ink:
    pad = [(0, 0), (0, 0)]
    pad[axis] = (length // 2 + 1, length // 2)
    sums = np.cumsum(np.pad(values, pad, "edge"), axis, np.float32)
    differences = sums[length:] - sums[:-length] if axis == 0 else sums[:, length:] - sums[:, :-length]
    return differences / np.float32(length)


def _clear_boxes(mask: Mask, faint: Mask, lines: list[Line], max_px: int, cleared: Mask) -> None:
    """Mark all boxes that hold something."""
    ordered = sorted(lines, key=lambda line: float(line.rows.mean()))
    for upper, lower in combinations(ordered, 2):
        ends = _common_ends(upper, lower, mask.shape[1])
        if ends:
            _clear_box(mask, faint, upper, lower, ends, max_px, cleared)


def _common_ends(upper: Line, lower: Line, width: int) -> tuple[int, int] | None:
    """Return the first and last column of a box if two lines may be its upper and lower sides.

    One of them may be a rule of the paper that the box stands on or hangs from.
    """
    first, last = min(upper.first, lower.first), max(upper.last, lower.last)
    apart = max(abs(upper.first - lower.first), abs(upper.last - lower.last))
    covered = min(upper.covered, lower.covered)
    middle = (first + last) // 2
    height = float(lower.rows[middle] - upper.rows[middle])
    rules = [line.covered >= MIN_RULE_LENGTH * width for line in (upper, lower)]
    if apart > SAME_ENDS * height and any(rules) and not all(rules):
        side = lower if rules[0] else upper
        first, last = side.first, side.last
    elif apart > SAME_ENDS * height:
        return None
    return (first, last) if height >= MIN_BOX_PX and covered >= SIDE_COVER * (last - first) else None


def _clear_box(
    mask: Mask, faint: Mask, upper: Line, lower: Line, across: tuple[int, int], max_px: int, cleared: Mask
) -> None:
    """Mark a box, or a row of boxes, if the two lines are its upper and lower sides and it holds something."""
    first, last = across
    left, right = max(0, first - 3), min(mask.shape[1], last + 4)
    top, bottom = int(upper.rows[[first, last]].mean()), int(lower.rows[[first, last]].mean()) + 1
    top, bottom = max(0, top), min(len(mask), bottom)
    height = bottom - top
    lines = lines_of(faint[top:bottom, left:right].T, max_px, SIDE_COVER * height)
    lines.sort(key=lambda line: float(line.rows.mean()))
    whole = [line for line in lines if _is_whole(line, height)]
    if any(_continues(faint, line, left, top, bottom) for line in (*whole[:1], *whole[-1:])):
        return  # a stroke between the sides of a box
    sides = _sides(lines, whole, (first - left, last - left), height)
    if not sides:
        return
    found = np.zeros_like(cleared)
    upper.clear(found)
    lower.clear(found)
    for line in sides:
        line.clear(found.T, top, left)
    inside = label((mask & ~found)[top:bottom, left:right])
    if len(inside.area_px) and inside.height.max() > MIN_CONTENT * height:
        cleared |= found


def _is_whole(side: Line, height: int) -> bool:
    """Return whether a side reaches from the top of its box to the bottom."""
    return side.first <= CORNER * height and side.last >= (1 - CORNER) * height


def _sides(lines: list[Line], whole: list[Line], ends: tuple[int, int], height: int) -> list[Line]:
    """Return the sides of a row of boxes between its `ends`, `[]` if it has none.

    They are some of its upright `lines`, of which the `whole` ones reach from top to bottom.
    """
    if len(whole) < 2:
        return []
    outer = (whole[0], whole[-1])
    tilts = [_tilt(side) for side in outer]
    least, most = min(tilts) - TILT * height, max(tilts) + TILT * height
    places = [float(side.rows.mean()) for side in outer]
    tolerance = 4 + SAME_ENDS * height
    closed = [abs(place - end) <= tolerance for place, end in zip(places, ends, strict=True)]
    row_ends = [place if each else float(end) for place, end, each in zip(places, ends, closed, strict=True)]
    sides = [line for line in lines if least <= _tilt(line) <= most]
    certain = [
        position
        for position, side in enumerate(sides)
        if side is outer[0] or side is outer[1] or side.covered >= CERTAIN_SIDE_COVER * height
    ]
    cells = sides_of_cells(sides, certain, (row_ends[0], row_ends[1]), height)
    if cells or not all(closed):
        return cells
    # Without a 1 as high as the box, and the stem of a 7.
    thickest = MAX_INNER_SIDE * max(side.typical_px for side in outer) + 0.5
    return [side for side in sides if _is_whole(side, height) and side.typical_px <= thickest]


def _tilt(side: Line) -> float:
    """Return how far a side leans over its whole length, in pixels."""
    return float(side.rows[-1] - side.rows[0])


def _continues(faint: Mask, side: Line, left: int, top: int, bottom: int) -> bool:
    """Return whether a side of a box continues above or below the box."""
    reach = max(10, round(BEYOND * (bottom - top)))
    for rows, column in (
        (range(max(0, top - reach), max(0, top - 3)), left + int(side.rows[0])),
        (range(min(len(faint), bottom + 3), min(len(faint), bottom + reach)), left + int(side.rows[-1])),
    ):
        columns = slice(max(0, column - 4), column + 5)
        if len(rows) > 2 and faint[rows.start : rows.stop, columns].any(1).mean() > SIDE_COVER:
            return True
    return False
