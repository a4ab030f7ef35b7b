"""`python -m tools.training_pictures.strips`: draw the strips of numbers that the network for numbers is trained on.

The file has `pixels` uint8[28,C], the strips behind each other; `widths` int32[N], their columns; and `signs`
uint8[N,12], the digits of each strip from left to right, with OTHER for a sign that is no digit and END after the last.
`--held-out` draws from fonts and MNIST images that no training uses.
"""

import io
from random import Random

import numpy as np
import numpy.typing as npt
from numpy.random import Generator
from PIL import Image, ImageFilter

from api.images.fit.grey import grey_of
from api.images.fit.ink import ink_of
from api.images.number.line import line_of
from api.images.number.strip import Strip, strip_of
from shared.errors import BadImage
from shared.shapes import CLASSES
from tools.fit_accuracy.number_pictures import NumberKind, Page, page_of, placed
from tools.fit_accuracy.rendered import image_file
from tools.training_pictures import digits, shapes
from tools.training_pictures.fonts import text_ink
from tools.training_pictures.ink import Ink
from tools.training_pictures.source import LETTERS, SYMBOLS, Source, draw_in_processes, drawing_parser

OTHER, END = CLASSES, 255
MAX_SIGNS = 12
CHUNK = 100
LENGTHS = (1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 8, 10)
KINDS: tuple[NumberKind, ...] = ("spaced", "touching", "boxed", "slanted", "touching", "spaced", "touching", "slanted")
HANDS = {"mnist": 0.46, "pen": 0.26, "hand": 0.12, "type": 0.1, "display": 0.06}
PHOTOGRAPHED = 0.12  # share of the strips whose number is drawn into a whole picture, which takes ten times as long
WITH_OTHERS, OTHERS = 0.12, 0.35  # share of the strips with other signs, and of their signs that are others

Pixels = npt.NDArray[np.uint8]


def main() -> None:
    options = drawing_parser("python -m tools.training_pictures.strips", __doc__, "strips", 20_000).parse_args()
    tasks = [(options.seed, start) for start in range(0, options.count, CHUNK)]
    drawn = [each for chunk in draw_in_processes(_draw_chunk, tasks, options) for each in chunk]
    signs = np.full((len(drawn), MAX_SIGNS), END, np.uint8)
    for row, (_, own) in zip(signs, drawn, strict=True):
        row[: len(own)] = own
    pixels = np.concatenate([each for each, _ in drawn], axis=1)
    widths = np.array([each.shape[1] for each, _ in drawn], np.int32)
    np.savez_compressed(options.out, pixels=pixels, widths=widths, signs=signs)
    print(f"Wrote {options.out}: {len(drawn)} strips with {int((signs != END).sum())} signs")


def _draw_chunk(source: Source, task: tuple[int, int]) -> list[tuple[Pixels, list[int]]]:
    rng = np.random.default_rng((*task, 28))
    return [drawn_strip(source, rng) for _ in range(CHUNK)]


def drawn_strip(source: Source, rng: Generator) -> tuple[Pixels, list[int]]:
    """Return the strip of a drawn number, and its signs."""
    while True:
        random = Random(int(rng.integers(1 << 32)))
        signs = [int(each) for each in rng.integers(0, CLASSES, int(rng.choice(LENGTHS)))]
        if rng.random() < WITH_OTHERS:
            signs = [OTHER if rng.random() < OTHERS else sign for sign in signs]
        hand = _hand(source, rng)
        try:
            strip = _strip(signs, hand, random, rng)
        except BadImage:
            continue
        return strip.pixels, signs


def _strip(signs: list[int], hand: "_Writer", random: Random, rng: Generator) -> Strip:
    if rng.random() < PHOTOGRAPHED:
        kind: NumberKind = random.choice(("spaced", "touching", "boxed", "lined", "slanted", "lined", "boxed"))
        page = placed(page_of(signs, kind, hand, random), kind == "lined", random)
        paper = random.choice(("scan", "drawing", "scan", "board", "photo", "photo"))
        with Image.open(io.BytesIO(image_file(page.ink, paper, random))) as image:
            return strip_of(line_of(*ink_of(grey_of(image))))
    kind = random.choice(KINDS)
    return strip_of(line_of(_small_ink(page_of(signs, kind, hand, random), rng), 0.4))


def _small_ink(page: Page, rng: Generator) -> Ink:
    """Return the ink of a page as a picture of it would have it: smaller, blurred, with an empty margin."""
    scale = float(rng.uniform(0.2, 0.6))
    size = (max(1, round(page.ink.shape[1] * scale)), max(1, round(page.ink.shape[0] * scale)))
    image = Image.fromarray(np.uint8(page.ink * 255)).resize(size, Image.Resampling.BOX)
    if rng.random() < 0.5:
        image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 1.2))))
    drawn: Ink = np.pad(np.asarray(image, np.float32) / np.float32(255), 20)
    return drawn


class _Writer:
    """A hand that writes digits in one way, and other signs in any."""

    def __init__(self, source: Source, way: str, rng: Generator) -> None:
        self._source, self._way, self._rng = source, way, rng
        files = source.hand_files if way == "hand" else source.type_files
        self._font = files[int(rng.integers(len(files)))]
        self._pen = digits.pen_width(rng)

    def __call__(self, sign: int) -> Pixels:
        ink = self._other() if sign == OTHER else self._digit(sign)
        return np.rint(np.clip(ink, 0, 1) * 255).astype(np.uint8)

    def _digit(self, digit: int) -> Ink:
        if self._way == "mnist":
            rows = np.flatnonzero(self._source.mnist.labels == digit)
            ink = digits.enlarged(self._source.mnist.images[rows[int(self._rng.integers(len(rows)))]])
            sharpness = self._rng.uniform(1, 3)
            sharp: Ink = np.clip((ink - 0.5) * sharpness + 0.5, 0, 1).astype(np.float32)
            return sharp
        if self._way == "pen":
            return digits.written(digit, self._rng, self._pen)
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
