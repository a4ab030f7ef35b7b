"""Reads a number from its lattice and the model's answers for the candidates."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from shared.contract.job import Candidate, Lattice

MIN_PROBABILITY = 1e-4  # a less likely label is ignored, and a roster's strings have at least this one
MAX_READINGS = 24  # kept at each node
MAX_ALTERNATIVES = 3

Labels = npt.NDArray[np.float64]  # float64[N,10], the probability of each digit; the rest is "no digit"


@dataclass(frozen=True, slots=True)
class Digit:
    """One digit of a reading. `alternatives` are other labels, most likely first."""

    candidate: Candidate
    label: int
    confidence: float
    alternatives: Sequence[tuple[int, float]]


@dataclass(frozen=True, slots=True)
class Reading:
    """`text` is the most likely number, "" if there is none, and `confidence` its probability among all readings."""

    text: str
    confidence: float
    digits: Sequence[Digit]
    others: Sequence[tuple[str, float]] = ()


@dataclass(slots=True)
class _Partial:
    """The paths to one node that read the same text. `steps` are those of the best path, as (candidate, label)."""

    log_weight: float
    log_best: float
    steps: tuple[tuple[int, int], ...] = field(default=())


def digit_probabilities(probabilities: npt.NDArray[np.float32], scores: npt.NDArray[np.float32] | None) -> Labels:
    """Return the probability of each digit, less that of "none of the labels" if the model knows it (`scores`)."""
    labels = probabilities.astype(np.float64)
    if scores is None:
        return labels
    return labels * np.asarray(scores / np.maximum(labels.max(1), 1e-9), np.float64)[:, None]


def read_number(lattice: Lattice, labels: Labels, other_weight: float) -> Reading:
    """Return the most likely number. `other_weight` is the weight of all that the lattice does not contain."""
    nodes: list[dict[str, _Partial]] = [{} for _ in range(lattice.nodes + 1)]
    nodes[0][""] = _Partial(0.0, 0.0)
    costs = dict(lattice.skips)
    starting: Mapping[int, list[int]] = _by_first(lattice)
    for node in range(lattice.nodes):
        partials = sorted(nodes[node].items(), key=lambda each: -each[1].log_weight)[:MAX_READINGS]
        if node in costs:
            for text, partial in partials:
                _add(nodes[node + 1], text, partial, -costs[node], partial.steps)
        for index in starting.get(node, ()):
            candidate = lattice.candidates[index]
            for label in np.flatnonzero(labels[index] >= MIN_PROBABILITY):
                gain = candidate.prior + math.log(labels[index, label])
                for text, partial in partials:
                    steps = (*partial.steps, (index, int(label)))
                    _add(nodes[candidate.last], f"{text}{label}", partial, gain, steps)
    ends = sorted(((text, each) for text, each in nodes[-1].items() if text), key=lambda each: -each[1].log_weight)
    if not ends:
        return Reading("", 0.0, ())
    total = sum(math.exp(each.log_weight) for _, each in ends) + other_weight
    shares = [(text, math.exp(each.log_weight) / total) for text, each in ends]
    digits = [_digit(lattice.candidates[index], labels[index], label) for index, label in ends[0][1].steps]
    return Reading(*shares[0], digits, shares[1:MAX_ALTERNATIVES])


def steps_of(text: str, lattice: Lattice, labels: Labels) -> list[Digit]:
    """Return the digits of the best path that reads `text`, [] if no path has as many candidates."""
    best: list[dict[int, tuple[float, tuple[int, ...]]]] = [{} for _ in range(lattice.nodes + 1)]
    best[0][0] = (0.0, ())
    costs, starting = dict(lattice.skips), _by_first(lattice)
    for node in range(lattice.nodes):
        for count, (log_weight, path) in best[node].items():
            if node in costs:
                _keep(best[node + 1], count, log_weight - costs[node], path)
            if count == len(text):
                continue
            for index in starting.get(node, ()):
                candidate = lattice.candidates[index]
                gain = candidate.prior + math.log(max(labels[index, int(text[count])], MIN_PROBABILITY))
                _keep(best[candidate.last], count + 1, log_weight + gain, (*path, index))
    path = best[-1].get(len(text), (0.0, ()))[1]
    return [_digit(lattice.candidates[index], labels[index], int(text[at])) for at, index in enumerate(path)]


def _keep(node: dict[int, tuple[float, tuple[int, ...]]], count: int, log_weight: float, path: tuple[int, ...]) -> None:
    if count not in node or log_weight > node[count][0]:
        node[count] = (log_weight, path)


def _by_first(lattice: Lattice) -> dict[int, list[int]]:
    starting: dict[int, list[int]] = {}
    for index, candidate in enumerate(lattice.candidates):
        starting.setdefault(candidate.first, []).append(index)
    return starting


def _add(
    node: dict[str, _Partial], text: str, before: _Partial, gain: float, steps: tuple[tuple[int, int], ...]
) -> None:
    log_weight, log_best = before.log_weight + gain, before.log_best + gain
    partial = node.get(text)
    if partial is None:
        node[text] = _Partial(log_weight, log_best, steps)
        return
    partial.log_weight = float(np.logaddexp(partial.log_weight, log_weight))
    if log_best > partial.log_best:
        partial.log_best, partial.steps = log_best, steps


def _digit(candidate: Candidate, labels: npt.NDArray[np.float64], label: int) -> Digit:
    order = [int(each) for each in np.argsort(-labels) if each != label][:MAX_ALTERNATIVES]
    others = [(each, float(labels[each])) for each in order if labels[each] >= MIN_PROBABILITY]
    return Digit(candidate, label, float(labels[label]), others)
