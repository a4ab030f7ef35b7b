"""Checks that an engine gives each image the same answer alone and in a batch of any size, in the right order."""

from collections.abc import Callable, Iterable

import numpy as np

from shared.contract.model_spec import MNIST_SPEC, ModelSpec
from shared.data.sample import draw
from shared.images import Images, Probabilities
from shared.shapes import MNIST_SHAPE
from worker.engine.pace import FULL_SPEED, Pace

DRAWN_DIGITS = 40
DIGITS = 10  # number of digits that are checked
PATTERNS = 16
QUANTISED_STEP = 1 / 256  # a quantised file rounds each probability to a multiple of this
TOLERANCE = 0.02  # allowed difference of a probability: half precision on a GPU adds up differently in batches


class EngineFault(Exception):
    """A loaded model whose answers cannot be trusted. The message says which answers."""


def check_answers(
    run: Callable[[Images], Probabilities],
    sizes: Iterable[int],
    spec: ModelSpec = MNIST_SPEC,
    pace: Pace = FULL_SPEED,
) -> None:
    """Run test images alone and in batches. Raises EngineFault for invalid answers, and for a wrong order.

    The images are drawn digits if the version takes them, else patterns.
    """
    images = draw_digits()[:DIGITS] if spec.shape == MNIST_SHAPE else draw_patterns(spec.shape)
    with pace.step():
        alone = np.concatenate([run(images[index : index + 1]) for index in range(len(images))])
    sums = alone.sum(axis=1)
    if not np.isfinite(alone).all() or not np.allclose(sums, 1, atol=sum_tolerance(alone.shape[1])):
        raise EngineFault("the model's answers to test images are no probabilities")
    for size in sizes:
        order = np.arange(size) % len(images)
        with pace.step():
            answers = run(images[order])
        if answers.shape != (size, alone.shape[1]):
            raise EngineFault(f"the model answered {list(answers.shape)} to {size} images")
        far = np.flatnonzero(~np.isclose(answers, alone[order], atol=TOLERANCE).all(axis=1))
        if len(far):
            raise EngineFault(
                f"in a batch of {size}, the answer in place {far[0]} is not that of the image there: wrong order?"
            )


def sum_tolerance(labels: int) -> float:
    """Return how far the sum of probabilities may be from 1: a quantised file rounds each of them by half a step."""
    return TOLERANCE + QUANTISED_STEP * labels / 2


def draw_digits() -> Images:
    """Return uint8[40,28,28]. A process draws them once."""
    return draw("test", DRAWN_DIGITS)[0]


def draw_patterns(shape: tuple[int, int, int]) -> Images:
    """Return uint8[16,H,W] or uint8[16,H,W,3]: black, white, and noise of different grain, always the same."""
    height, width, channels = shape
    random = np.random.default_rng(0)
    images = np.empty((PATTERNS, *shape), np.uint8)
    for number in range(PATTERNS):
        grain = max(1, min(height, width) >> (1 + number % 4))
        coarse = random.integers(0, 256, (-(-height // grain), -(-width // grain), channels), np.uint8)
        images[number] = coarse.repeat(grain, 0).repeat(grain, 1)[:height, :width]
    images[0], images[1] = 0, 255
    return images if channels != 1 else images[..., 0]
