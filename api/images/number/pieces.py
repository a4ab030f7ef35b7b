"""Cuts the ink of a number into pieces, of which the boxes of its digits are made."""

from collections.abc import Iterator

import numpy as np

from api.images.fit.components import Mask
from api.images.number.cuts import cuts_of
from api.images.number.line import InkLine
from api.images.number.strip import Columns
from shared.contract.job import Piece

MAX_PIECES = 200  # further ones have no box


def pieces_of(line: InkLine, middles: Columns) -> list[Piece]:
    """Return the pieces of a line from left to right. `middles` are those of its strip."""
    pieces = []
    for mask in _masks(line):
        columns = np.flatnonzero(mask.any(0))
        if len(columns):
            pieces.append(Piece(_box(line, mask), round(float(middles[columns].mean()), 2)))
        if len(pieces) == MAX_PIECES:
            break
    return sorted(pieces, key=lambda piece: piece.middle)


def _masks(line: InkLine) -> Iterator[Mask]:
    """Yield the ink of each piece: bool[H,W] in the coordinates of the line."""
    for group in range(1, int(line.groups.max()) + 1):
        mask = line.groups == group
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        area = (slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1))
        cuts = cuts_of(np.where(mask, line.soft, 0)[area], line.digit_px)
        number = np.zeros(mask.shape, np.int64)
        for cut in cuts:
            number[area] += np.arange(area[1].stop - area[1].start) >= cut.columns[:, None]
        for index in range(len(cuts) + 1):
            yield mask & (number == index)


def _box(line: InkLine, mask: Mask) -> tuple[int, int, int, int]:
    rows = np.flatnonzero(mask.any(1))
    lefts = mask[rows].argmax(1) + line.lefts[rows]
    rights = mask.shape[1] - mask[rows, ::-1].argmax(1) + line.lefts[rows]
    left, right = int(lefts.min()), int(rights.max())
    return left, line.top + int(rows[0]), right - left, int(rows[-1]) + 1 - int(rows[0])
