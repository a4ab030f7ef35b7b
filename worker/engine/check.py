"""Checks that an engine gives each image the same answer alone and in a batch of any size, in the right order."""

from collections.abc import Callable, Iterable
from functools import cache

import numpy as np

from shared.data.sample import draw
from shared.images import Images, Probabilities
from worker.engine.pace import FULL_SPEED, Pace

DIGITS = 10
TOLERANCE = 0.02  # allowed difference of a probability: half precision on a GPU adds up differently in batches


class EngineFault(Exception):
    """A loaded model whose answers cannot be trusted. The message says which."""


def check_answers(run: Callable[[Images], Probabilities], sizes: Iterable[int], pace: Pace = FULL_SPEED) -> None:
    """Run drawn digits alone and in batches. Raises EngineFault for invalid answers, and for a wrong order."""
    digits = _digits()
    with pace.step():
        alone = np.concatenate([run(digits[index : index + 1]) for index in range(len(digits))])
    if not np.isfinite(alone).all() or not np.allclose(alone.sum(axis=1), 1, atol=TOLERANCE):
        raise EngineFault("the model's answers to drawn digits are no probabilities")
    for size in sizes:
        order = np.arange(size) % len(digits)
        with pace.step():
            answers = run(digits[order])
        if answers.shape != (size, alone.shape[1]):
            raise EngineFault(f"the model answered {list(answers.shape)} to {size} images")
        far = np.flatnonzero(~np.isclose(answers, alone[order], atol=TOLERANCE).all(axis=1))
        if len(far):
            raise EngineFault(
                f"in a batch of {size}, the answer in place {far[0]} is not that of the image there: wrong order?"
            )


@cache
def _digits() -> Images:
    """Draw the digits once. Drawing takes longer than the check, and other versions serve during a load."""
    return draw("test")[0][:DIGITS]
