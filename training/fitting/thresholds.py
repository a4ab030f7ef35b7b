"""The choice of the confidence from which a stage of a cascade accepts its own answers."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from shared.data.dataset import Labels
from shared.images import Probabilities

MAX_LOSS = 0.0005
CANDIDATES = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995, 0.999)


class Stage(NamedTuple):
    """The answers of one network to the held-out images: the largest output float[N], and whether it is right bool[N].

    `multiply_adds` are those for one image.
    """

    confidences: npt.NDArray[np.float32]
    right: npt.NDArray[np.bool_]
    multiply_adds: int


class Outcome(NamedTuple):
    """The answers of a stage and all later ones: whether each is right, and the multiply-adds for it."""

    right: npt.NDArray[np.bool_]  # bool[N]
    multiply_adds: npt.NDArray[np.int64]  # int[N]


class Row(NamedTuple):
    """A row of the table. `compute` is relative to the stage without any later one."""

    accept_from: float
    passed_on: float
    right: int
    compute: float


def judge(outputs: Probabilities, labels: Labels, label_count: int, multiply_adds: int) -> Stage:
    """Judge outputs float32[N,K]. The answer is the largest output of a label, even if "none of them" is larger."""
    return Stage(outputs.max(axis=1), outputs[:, :label_count].argmax(axis=1) == labels, multiply_adds)


def alone(stage: Stage) -> Outcome:
    """Return the outcome of the last stage, which decides every image that reaches it."""
    return Outcome(stage.right, np.full(len(stage.right), stage.multiply_adds, np.int64))


def pass_on(stage: Stage, accept_from: float, later: Outcome) -> Outcome:
    """Return the outcome if the stage passes images on whose largest output is below `accept_from`."""
    passed = stage.confidences < accept_from
    return Outcome(
        np.where(passed, later.right, stage.right),
        stage.multiply_adds + np.where(passed, later.multiply_adds, 0),
    )


def table(stage: Stage, later: Outcome, candidates: Sequence[float] = CANDIDATES) -> list[Row]:
    """Return a row for each threshold."""
    rows = []
    for accept_from in candidates:
        outcome = pass_on(stage, accept_from, later)
        compute = float(outcome.multiply_adds.mean() / stage.multiply_adds)
        passed_on = float((stage.confidences < accept_from).mean())
        rows.append(Row(accept_from, passed_on, int(outcome.right.sum()), compute))
    return rows


def choose(rows: Sequence[Row], images: int) -> Row:
    """Return the row that computes least among those with about as many right answers as the best one.

    A difference of MAX_LOSS of the images is chance: with other held-out images, another row would be the best.
    """
    best = max(row.right for row in rows)
    return min((row for row in rows if row.right >= best - MAX_LOSS * images), key=lambda row: row.compute)
