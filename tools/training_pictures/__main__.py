"""`python -m tools.training_pictures`: draw the pictures that training adds to MNIST.

The file has `images` uint8[N,28,28] and `labels` uint8[N], where 10 stands for none of the digits. `--held-out` draws
from fonts and MNIST images that no training uses: thresholds are chosen with them.
"""

from pathlib import Path

import numpy as np
from numpy.random import Generator

from shared.images import Images
from shared.shapes import CLASSES
from tools.training_pictures import digits, shapes, sheets, textures
from tools.training_pictures.fonts import text_ink
from tools.training_pictures.ink import Ink
from tools.training_pictures.source import LETTERS, SYMBOLS, Source, draw_in_processes, drawing_parser

NONE = CLASSES
CHUNK = 500
# Kind of picture -> share of all. The first four are digits.
SHARES = {
    "type": 0.13, "pen": 0.13, "mnist": 0.10, "display": 0.05,
    "letter": 0.13, "word": 0.03, "symbol": 0.05, "scribble": 0.08, "half": 0.07, "several": 0.08,
    "ring": 0.025, "coin": 0.025, "moon": 0.015, "spot": 0.02, "lines": 0.02, "texture": 0.04, "blank": 0.015,
    "scene": 0.025, "stacked": 0.07,
}  # fmt: skip
NO_DIGIT_IN_ANY_PART = ("scribble", "ring", "coin", "moon", "spot", "lines")


def main() -> None:
    parser = drawing_parser("python -m tools.training_pictures", __doc__, "pictures", 100_000)
    parser.add_argument("--kinds", nargs="+", choices=list(SHARES), default=list(SHARES), help="draw only these kinds")
    options = parser.parse_args()
    chunks = range(0, options.count, CHUNK)
    tasks = [(options.seed, start, min(CHUNK, options.count - start), options.kinds) for start in chunks]
    parts = draw_in_processes(_draw_chunk, tasks, options)
    images, labels, kinds = (np.concatenate(each) for each in zip(*parts, strict=True))
    np.savez_compressed(options.out, images=images, labels=labels, kinds=kinds)
    print(f"Wrote {options.out}: {len(labels)} pictures, {int((labels != NONE).sum())} of them digits")


def _draw_chunk(source: Source, task: tuple[int, int, int, list[str]]) -> tuple[Images, np.ndarray, np.ndarray]:
    seed, start, count, wanted = task
    rng = np.random.default_rng((seed, start))
    shares = np.array([share if kind in wanted else 0.0 for kind, share in SHARES.items()])
    kinds = rng.choice(len(SHARES), count, p=shares / shares.sum())
    drawn = [draw(list(SHARES)[kind], source, rng) for kind in kinds]
    return (
        np.stack([image for image, _ in drawn]),
        np.array([label for _, label in drawn], np.uint8),
        kinds.astype(np.uint8),
    )


def draw(kind: str, source: Source, rng: Generator) -> tuple[Images, int]:
    """Return a picture uint8[28,28] of a kind in SHARES, and its label."""
    while True:
        image, label = _attempt(kind, source, rng)
        if image is not None and not (label == NONE and sheets.is_bar(image)):
            return image, label


def _attempt(kind: str, source: Source, rng: Generator) -> tuple[Images | None, int]:
    if kind == "texture":
        return textures.texture(rng), NONE
    if kind == "blank":
        return textures.blank(rng), NONE
    if kind == "scene":
        return sheets.scene(rng), NONE
    if kind == "half" and rng.random() < 0.5:  # where the digit was
        row = int(rng.integers(len(source.mnist.labels)))
        return digits.half(source.mnist.images[row], int(source.mnist.labels[row]), rng), NONE
    ink, label = _ink(kind, source, rng)
    if ink is None:
        return None, label
    way = rng.random()
    if way < 0.35:
        return sheets.as_mnist(ink), label
    if way < 0.6:
        return sheets.as_drawing(ink, rng), label
    return sheets.on_sheet(ink, rng, -1.0 if kind in NO_DIGIT_IN_ANY_PART else sheets.MIN_LIKENESS), label


def _ink(kind: str, source: Source, rng: Generator) -> tuple[Ink | None, int]:
    """Return the ink of a kind, and its label. None if there is none this time."""
    digit, row = int(rng.integers(CLASSES)), int(rng.integers(len(source.mnist.labels)))
    if kind == "mnist":
        return digits.enlarged(source.mnist.images[row]), int(source.mnist.labels[row])
    if kind == "half":
        half = digits.half(source.mnist.images[row], int(source.mnist.labels[row]), rng)
        return None if half is None else digits.enlarged(half), NONE
    if kind in ("type", "pen", "display"):
        if kind == "display":
            return digits.on_display(digit, rng), digit
        if kind == "pen" and rng.random() < 0.65:
            return digits.written(digit, rng), digit
        return text_ink(str(digit), _font(source, 0.0 if kind == "type" else 1.0, rng), rng), digit
    return _other_ink(kind, source, rng), NONE


def _other_ink(kind: str, source: Source, rng: Generator) -> Ink:
    if kind in ("letter", "symbol"):
        characters = LETTERS if kind == "letter" else SYMBOLS
        return text_ink(characters[int(rng.integers(len(characters)))], _font(source, 0.55, rng), rng)
    if kind == "word":
        length = int(rng.integers(2, 6))
        return text_ink("".join(rng.choice(list(LETTERS), length)), _font(source, 0.5, rng), rng)
    if kind == "several":
        return _several(source, rng)
    if kind == "stacked":
        return digits.pile_of(_digit_ink(source, rng), _digit_ink(source, rng), rng)
    drawers = {
        "scribble": shapes.scribble,
        "ring": shapes.ring,
        "coin": shapes.coin,
        "moon": shapes.moon,
        "spot": shapes.spot,
        "lines": shapes.lines,
    }
    return drawers[kind](rng)


def _several(source: Source, rng: Generator) -> Ink:
    count = int(rng.choice((2, 2, 2, 3, 3, 4, 5)))
    way = rng.random()
    if way < 0.2:
        return text_ink("".join(str(each) for each in rng.integers(0, CLASSES, count)), _font(source, 0.5, rng), rng)
    if way < 0.45:
        return digits.row_of([digits.written(int(each), rng) for each in rng.integers(0, CLASSES, count)], rng)
    rows = rng.integers(0, len(source.mnist.labels), count)
    return digits.row_of([digits.enlarged(source.mnist.images[row]) for row in rows], rng)


def _digit_ink(source: Source, rng: Generator) -> Ink:
    """Return the ink of a digit from MNIST or by pen."""
    if rng.random() < 0.3:
        return digits.written(int(rng.integers(CLASSES)), rng)
    return digits.enlarged(source.mnist.images[int(rng.integers(len(source.mnist.labels)))])


def _font(source: Source, handwriting: float, rng: Generator) -> Path:
    files = source.hand_files if rng.random() < handwriting else source.type_files
    return files[int(rng.integers(len(files)))]


if __name__ == "__main__":
    main()
