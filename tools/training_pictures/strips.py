"""`python -m tools.training_pictures.strips`: draw the strips of numbers that the network for numbers is trained on.

The file has `pixels` uint8[28,C], the strips behind each other; `widths` int32[N], their columns; and `signs`
uint8[N,12], the digits of each strip from left to right, with OTHER for a sign that is no digit and END after the last.
Each number has `views` strips behind each other, those that the service reads of a line. `--held-out` draws from
fonts, pens and MNIST images that no training uses.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from api.images.number.strip import WIDENINGS, strip_of
from shared.errors import BadImage
from shared.shapes import CLASSES
from tools.training_pictures import digits, shapes
from tools.training_pictures.fonts import text_ink
from tools.training_pictures.ink import Ink
from tools.training_pictures.rows import Kind, line_of_row
from tools.training_pictures.source import LETTERS, SYMBOLS, Source, draw_in_processes, drawing_parser

OTHER, END = CLASSES, 255
MAX_SIGNS = 12
CHUNK = 100
LENGTHS = (1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5, 6, 6, 6, 7, 8, 10)
# Kind of row, and its share in training; held-out numbers have all kinds equally often.
KINDS: dict[Kind, float] = {
    "spaced": 0.22, "touching": 0.36, "leaning": 0.18, "in cells": 0.1, "on lines": 0.07, "photographed": 0.07,
}  # fmt: skip
HANDS = {"mnist": 0.5, "pen": 0.27, "hand": 0.1, "type": 0.09, "display": 0.04}
WITH_OTHERS, OTHERS = 0.12, 0.35  # share of the strips with other signs, and of their signs that are others

Pixels = npt.NDArray[np.uint8]


def main() -> None:
    parser = drawing_parser("python -m tools.training_pictures.strips", __doc__, "numbers", 20_000)
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS), help="draw only these kinds")
    options = parser.parse_args()
    tasks = [(options.seed, start, options.kinds) for start in range(0, options.count, CHUNK)]
    drawn = [each for chunk in draw_in_processes(_draw_chunk, tasks, options) for each in chunk]
    signs = np.full((len(drawn), MAX_SIGNS), END, np.uint8)
    for row, (_, own) in zip(signs, drawn, strict=True):
        row[: len(own)] = own
    strips = [strip for views, _ in drawn for strip in views]
    np.savez_compressed(
        options.out,
        pixels=np.concatenate(strips, axis=1),
        widths=np.array([each.shape[1] for each in strips], np.int32),
        signs=signs.repeat(len(WIDENINGS), axis=0),
        views=len(WIDENINGS),
    )
    print(f"Wrote {options.out}: {len(drawn)} numbers with {int((signs != END).sum())} signs")


def _draw_chunk(source: Source, task: tuple[int, int, list[Kind]]) -> list[tuple[list[Pixels], list[int]]]:
    seed, start, kinds = task
    rng = np.random.default_rng((seed, start, 28))
    return [drawn_number(source, rng, kinds) for _ in range(CHUNK)]


def drawn_number(
    source: Source, rng: Generator, kinds: Sequence[Kind] = tuple(KINDS)
) -> tuple[list[Pixels], list[int]]:
    """Return the strips of a drawn number of one of the kinds, and its signs."""
    shares = np.array([KINDS[kind] for kind in kinds])
    while True:
        signs = [int(each) for each in rng.integers(0, CLASSES, int(rng.choice(LENGTHS)))]
        if rng.random() < WITH_OTHERS:
            signs = [OTHER if rng.random() < OTHERS else sign for sign in signs]
        hand = _hand(source, rng)
        kind: Kind = rng.choice(list(kinds), p=None if source.held_out else shares / shares.sum())
        try:
            line = line_of_row([hand(sign) for sign in signs], kind, rng)
            if line is not None:
                return [strip_of(line, widening).pixels for widening in WIDENINGS], signs
        except BadImage:
            continue


class _Writer:
    """A hand that writes digits in one way, and other signs in any."""

    def __init__(self, source: Source, way: str, rng: Generator) -> None:
        self._source, self._way, self._rng = source, way, rng
        files = source.hand_files if way == "hand" else source.type_files
        self._font = files[int(rng.integers(len(files)))]
        self._pen = digits.pen_width(rng)

    def __call__(self, sign: int) -> Ink:
        return self._other() if sign == OTHER else self._digit(sign)

    def _digit(self, digit: int) -> Ink:
        if self._way == "mnist":
            rows = np.flatnonzero(self._source.mnist.labels == digit)
            ink = digits.enlarged(self._source.mnist.images[rows[int(self._rng.integers(len(rows)))]])
            sharpness = self._rng.uniform(1, 3)
            sharp: Ink = np.clip((ink - 0.5) * sharpness + 0.5, 0, 1).astype(np.float32)
            return sharp
        if self._way == "pen":
            return digits.written(digit, self._rng, self._pen, self._source.held_out)
        if self._way == "display":
            return digits.on_display(digit, self._rng)
        return text_ink(str(digit), self._font, self._rng)

    def _other(self) -> Ink:
        if self._rng.random() < 0.15:
            return shapes.scribble(self._rng)
        characters = LETTERS if self._rng.random() < 0.8 else SYMBOLS
        return text_ink(characters[int(self._rng.integers(len(characters)))], self._font, self._rng)


def _hand(source: Source, rng: Generator) -> _Writer:
    return _Writer(source, str(rng.choice(list(HANDS), p=list(HANDS.values()))), rng)


if __name__ == "__main__":
    main()
