"""A cascade: each image is decided by the first network that is sure of it.

P. Viola and M. Jones, "Robust Real-Time Face Detection", IJCV 57, 2004: most images need only the cheapest stage.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from shared.answers import Stages
from shared.contract.layers_blob import MAX_VALUES, LayerOutput
from shared.images import Images, Probabilities


class Step(NamedTuple):
    """A stage. It decides the images whose largest output is at least `accept_from`; 0 decides all of them."""

    predict: Callable[[Images], Probabilities]
    accept_from: float


def decide(steps: Sequence[Step], images: Images) -> tuple[Probabilities, Stages]:
    """Return the outputs float32[N,K] of the stages that decided, and the numbers of these stages.

    An output that is not finite is not passed on. Raises the errors of the stages.
    """
    first, *later = steps
    outputs = first.predict(images)
    stages = np.zeros(len(images), np.uint8)
    rows = unsure_rows(outputs, first.accept_from)
    if not len(rows):
        return outputs, stages
    outputs = outputs.copy()
    for number, step in enumerate(later, start=1):
        answers = step.predict(images[rows])
        outputs[rows] = answers
        stages[rows] = number
        rows = rows[unsure_rows(answers, step.accept_from)]
        if not len(rows):
            break
    return outputs, stages


def unsure_rows(outputs: Probabilities, accept_from: float) -> np.ndarray:
    """Return the rows int[M] of float32[N,K] that a stage passes on."""
    return np.flatnonzero(np.maximum.reduce(outputs, axis=1) < accept_from)


def merge_layers(visited: Sequence[Sequence[LayerOutput]]) -> list[LayerOutput]:
    """Return the layers of the stages that an image visited, named `stage-1/…`, `stage-2/…`.

    If they have more than MAX_VALUES together, returns those of the last stage, which decided.
    """
    named = [
        [replace(output, name=f"stage-{number}/{output.name}") for output in outputs]
        for number, outputs in enumerate(visited, start=1)
    ]
    everything = [output for outputs in named for output in outputs]
    return everything if sum(output.values.size for output in everything) <= MAX_VALUES else named[-1]
