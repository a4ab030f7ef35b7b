"""A small dataset of drawn digits that replaces MNIST if it is not available.

No image of MNIST is in it. The labels of its test images are those of MNIST's first 200 test images, so that image 42
shows a 4 in both.
"""

import math
from functools import cache
from random import Random
from typing import Literal

import numpy as np
import numpy.typing as npt

from shared.data.handwriting import BOX_HEIGHT, BOX_WIDTH, STROKES, Point, Strokes, write
from shared.images import Images
from shared.shapes import CLASSES

Labels = npt.NDArray[np.uint8]

TRAIN_IMAGES = 400  # row i shows the digit i % 10
TEST_LABELS = (
    "72104149590690159734966540740131347271211742351244635560419578937464307029173297762784736136931417696054"
    "992194873974449254767905856657810164673171820299551560344654654514472327181818508925011109031642"
)
SEEDS = {"train": 1, "test": 2}

# Other ways to write a digit, in addition to the one of STROKES.
OTHER_WAYS: dict[int, Strokes] = {
    1: (((4, 4), (8, 0)), ((8, 0), (7.5, 10), (7, 20))),
    2: (((2, 4), (7, 0), (12, 4), (9, 11), (2, 19)), ((2, 19), (8, 19), (13, 18))),
    4: (((8, 0), (4, 6), (0, 13)), ((0, 13), (7, 13), (14, 12.5)), ((10, 5), (10, 12), (9, 20))),
    7: (((1, 2), (7, 1), (13, 1)), ((13, 1), (10, 9), (5, 20))),
    9: (((11, 3), (6, 0), (1, 5), (5, 10), (11, 5)), ((11, 3), (11, 12), (10.5, 20))),
}
SHAKE = 0.4  # standard deviation of the points of a stroke, in a box 14 wide and 20 high
MAX_ROTATION_RAD = math.radians(7)


@cache
def draw(which: Literal["train", "test"], count: int | None = None) -> tuple[Images, Labels]:
    """Draw (images uint8[N,28,28], labels uint8[N]): 400 for training, 200 for testing, both read-only.

    `count` draws only the first of them: each takes a millisecond. The pixels depend only on the version of Pillow.
    """
    random = Random(SEEDS[which])  # noqa: S311, repeatable and not secret
    digits = [int(digit) for digit in TEST_LABELS] if which == "test" else [i % CLASSES for i in range(TRAIN_IMAGES)]
    digits = digits[:count]
    images, labels = np.stack([_write(digit, random) for digit in digits]), np.array(digits, np.uint8)
    images.setflags(write=False)
    labels.setflags(write=False)
    return images, labels


def _write(digit: int, random: Random) -> Images:
    """Write a digit with a random pen, slant, turn and proportions, and an unsteady hand."""
    strokes = random.choice([STROKES[digit], OTHER_WAYS.get(digit, STROKES[digit])])
    width, turn = random.uniform(0.85, 1.1), random.uniform(-MAX_ROTATION_RAD, MAX_ROTATION_RAD)
    moved: dict[Point, Point] = {}
    for point in (point for stroke in strokes for point in stroke):
        if point not in moved:
            x = (point[0] + random.gauss(0, SHAKE) - BOX_WIDTH / 2) * width
            y = point[1] + random.gauss(0, SHAKE) - BOX_HEIGHT / 2
            moved[point] = (
                BOX_WIDTH / 2 + x * math.cos(turn) - y * math.sin(turn),
                BOX_HEIGHT / 2 + x * math.sin(turn) + y * math.cos(turn),
            )
    shaken = tuple(tuple(moved[point] for point in stroke) for stroke in strokes)
    return write(shaken, random.uniform(-0.05, 0.25), random.uniform(2.0, 3.2))
