"""Finds the sides of cells in a row: boxes of a form that are equally wide, next to each other or equally far apart."""

from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt

from api.images.fit.lines import Line

MAX_CELLS = 20
MIN_WIDTH = 0.45  # fraction of the row's height
MAX_APART = 1.0  # distance between two cells, as a fraction of their width
NEAR_PX, NEAR = 2.0, 0.05  # how far a side may be from where it is expected; NEAR is a fraction of the row's height
MISSED = 0.6  # weight of a side that is not found, against one that is explained
SIMPLER = 0.01  # weight of a cell: of two explanations the one with fewer cells is better

Places = npt.NDArray[np.float64]


def sides_of_cells(
    sides: Sequence[Line], certain: Collection[int], ends: tuple[float, float], height: int
) -> list[Line]:
    """Return those of `sides` that are sides of equal cells between the `ends` of the row. `[]` for a single cell.

    The lines are from left to right. Of all widths that cells can have, the one counts that explains most of the
    `certain` ones and misses few sides. The first or the last may be hidden under a stroke.
    """
    places = np.array([float(side.rows.mean()) for side in sides])
    begin, end = ends
    near = NEAR_PX + NEAR * height
    best: set[int] = set()
    best_score = 2.0  # a single cell explains its own sides
    for second in places[(places > begin + MIN_WIDTH * height) & (places < end - near)]:
        width = float(second) - begin
        for cells in range(2, min(MAX_CELLS, int((end - begin + near) / width)) + 1):
            apart = (end - begin - cells * width) / (cells - 1)
            if apart > MAX_APART * width:
                continue
            found, missed, last = _walk(places, begin, width, apart, cells, near)
            score = len(found.intersection(certain)) - MISSED * missed - SIMPLER * cells
            if abs(last - end) <= near and score > best_score:
                best, best_score = found, score
    return [sides[each] for each in sorted(best)]


def _walk(
    places: Places, begin: float, width: float, apart: float, cells: int, near: float
) -> tuple[set[int], int, float]:
    """Return which places are sides of the cells, how many sides were not found, and where the last one is.

    Each is expected at its distance from the one before: a picture taken from the side makes far cells narrower.
    """
    at, missed = begin, 0
    found: set[int] = set()
    for number in range(2 * cells):
        at += 0 if not number else width if number % 2 else apart
        close = int(np.abs(places - at).argmin())
        if abs(places[close] - at) <= near:
            at = float(places[close])
            found.add(close)
        else:
            missed += 1
    return found, missed, at
