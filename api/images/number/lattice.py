"""Divides the ink of a number in all plausible ways: the lattice, and an image for each of its candidates."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from api.images.fit.components import Mask
from api.images.fit.ink import NO_INK, Grey, ink_of
from api.images.fit.normalise import normalised
from api.images.number.cuts import cuts_of
from api.images.number.line import InkLine, line_of
from shared.contract.job import MAX_CANDIDATES, Candidate, Lattice
from shared.errors import BadImage
from shared.images import Images

MAX_PIECES = 48
MAX_JOINED = 4  # pieces of one candidate
# Sizes are fractions of the typical height of the digits.
MAX_WIDTH, MIN_HEIGHT = 1.35, 0.3
MAX_JOINED_GAP = 0.35
MAX_SKIPPED = 0.35  # size of a piece that may be no digit
SKIP_COST = 3.0
STROKE_COST, NARROW_COST, MIN_WIDTH_OF_TWO = 0.5, 4.0, 1.05
MIN_INK = 0.3  # the darkest pixel of a candidate has more


@dataclass(frozen=True, slots=True)
class _Piece:
    mask: Mask
    gap_px: float  # to the piece before, infinite for the first one; 0 if they were cut apart
    cut_cost: float  # cost of the cut before this piece, 0 if there is none
    left: int
    right: int


class Cutting(NamedTuple):
    """A candidate and its ink: bool[H,W] in the coordinates of the line."""

    candidate: Candidate
    mask: Mask


def lattice_of(grey: Grey) -> tuple[Lattice, Images]:
    """Return the lattice of a picture (float32[H,W]) and uint8[N,28,28], one image per candidate.

    Raises BadImage if there is no ink, or more than one number can have.
    """
    line, cuttings, skips, nodes = cut_up(grey)
    return Lattice(nodes, tuple(cutting.candidate for cutting in cuttings), skips), images_of(line, cuttings)


def images_of(line: InkLine, cuttings: Sequence[Cutting]) -> Images:
    """Return uint8[N,28,28], each candidate's ink as MNIST normalises it."""
    images = []
    for cutting in cuttings:
        rows, columns = np.flatnonzero(cutting.mask.any(1)), np.flatnonzero(cutting.mask.any(0))
        area = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        images.append(normalised(np.where(cutting.mask[area], line.soft[area], 0)))
    return np.stack(images)


def cut_up(grey: Grey) -> tuple[InkLine, list[Cutting], tuple[tuple[int, float], ...], int]:
    """Return the line of ink in a picture (float32[H,W]), and the candidates, skips and nodes of its lattice.

    Raises BadImage as `lattice_of` does.
    """
    line = line_of(*ink_of(grey))
    pieces = _pieces(line)
    if len(pieces) > MAX_PIECES:
        raise BadImage(f"no number found: the ink has {len(pieces)} pieces, and a number may have {MAX_PIECES}")
    cuttings = sorted(_candidates(line, pieces), key=lambda each: -each.candidate.prior)[:MAX_CANDIDATES]
    if not cuttings:
        raise BadImage(NO_INK)
    cuttings.sort(key=lambda each: (each.candidate.first, each.candidate.last))
    return line, cuttings, tuple(_skips(line, pieces)), len(pieces)


def _pieces(line: InkLine) -> list[_Piece]:
    """Cut the groups of ink, and return the pieces from left to right."""
    pieces: list[_Piece] = []
    edge = -np.inf
    px = line.digit_px
    for group in range(1, int(line.groups.max()) + 1):
        mask = line.groups == group
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        left, right = int(columns[0]), int(columns[-1]) + 1
        area = (slice(int(rows[0]), int(rows[-1]) + 1), slice(left, right))
        cuts = cuts_of(np.where(mask, line.soft, 0)[area], line.digit_px)
        number = np.zeros(mask.shape, np.int64)
        number[area] = sum(
            (np.arange(right - left) >= cut.columns[:, None] for cut in cuts), np.zeros((1, 1), np.int64)
        )
        for index in range(len(cuts) + 1):
            part = mask & (number == index)
            own = np.flatnonzero(part.any(0))
            if not len(own):
                continue
            gap = 0.0 if index else left - edge
            cost = _cut_cost(cuts[index - 1].strokes, (right - left) / px) if index else 0.0
            pieces.append(_Piece(part, gap, cost, int(own[0]), int(own[-1]) + 1))
        edge = right
    return pieces


def _cut_cost(strokes: float, width: float) -> float:
    """Return the cost of a cut through a group of this width, in digits' heights: a narrow one is rarely two digits."""
    return STROKE_COST * strokes + NARROW_COST * max(0.0, MIN_WIDTH_OF_TWO - width)


def _candidates(line: InkLine, pieces: list[_Piece]) -> Iterator[Cutting]:
    px = line.digit_px
    for first in range(len(pieces)):
        mask = np.zeros(line.soft.shape, np.bool_)
        gaps = 0.0
        for last in range(first + 1, min(first + MAX_JOINED, len(pieces)) + 1):
            piece = pieces[last - 1]
            mask = mask | piece.mask
            if last > first + 1:
                gaps += max(0.0, piece.gap_px / px)
            left, right = min(each.left for each in pieces[first:last]), max(each.right for each in pieces[first:last])
            if last > first + 1 and (gaps > MAX_JOINED_GAP or right - left > MAX_WIDTH * px):
                break
            rows = np.flatnonzero(mask.any(1))
            height = (int(rows[-1]) + 1 - int(rows[0])) / px
            if height < MIN_HEIGHT:
                continue
            outer = pieces[first].cut_cost + (pieces[last].cut_cost if last < len(pieces) else 0.0)
            prior = _shape_prior((right - left) / px, height, gaps, outer)
            if (line.soft[mask] > MIN_INK).any():
                yield Cutting(Candidate(first, last, _box(line, mask), round(prior, 3)), mask)


def _shape_prior(width: float, height: float, gaps: float, cut_cost: float) -> float:
    """Return the logarithm of how likely a digit has this shape. Sizes are fractions of the digits' height."""
    prior = -8 * max(0.0, width - 0.95) - 6 * max(0.0, 0.65 - height) - 4 * max(0.0, height - 1.3)
    return prior - 8 * max(0.0, gaps - 0.04) - cut_cost


def _skips(line: InkLine, pieces: list[_Piece]) -> Iterator[tuple[int, float]]:
    for node, piece in enumerate(pieces):
        rows = np.flatnonzero(piece.mask.any(1))
        size = max(piece.right - piece.left, int(rows[-1]) + 1 - int(rows[0])) / line.digit_px
        if size < MAX_SKIPPED and not piece.cut_cost:
            yield node, round(SKIP_COST * (0.3 + size / MAX_SKIPPED), 3)


def _box(line: InkLine, mask: Mask) -> tuple[int, int, int, int]:
    rows = np.flatnonzero(mask.any(1))
    lefts = mask[rows].argmax(1) + line.lefts[rows]
    rights = mask.shape[1] - mask[rows, ::-1].argmax(1) + line.lefts[rows]
    left, right = int(lefts.min()), int(rights.max())
    return left, line.top + int(rows[0]), right - left, int(rows[-1]) + 1 - int(rows[0])
