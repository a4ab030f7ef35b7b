"""The strings that a number may be, and how likely each of them is in a picture."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from api.queue.answers.reading import MIN_PROBABILITY, Labels
from shared.contract.job import Lattice
from shared.shapes import CLASSES

OTHER_SHARE = 0.01  # part of all numbers in pictures that are not in the roster


@dataclass(frozen=True, slots=True)
class Roster:
    """Different strings of digits. `digits` is uint8[S,L], where L is the greatest length, and `lengths` int64[S]."""

    strings: Sequence[str]
    digits: npt.NDArray[np.uint8]
    lengths: npt.NDArray[np.int64]


def roster_of(strings: Sequence[str]) -> Roster:
    """Return the roster of strings of ASCII digits."""
    lengths = np.array([len(string) for string in strings], np.int64)
    digits = np.zeros((len(strings), int(lengths.max())), np.uint8)
    for row, string in enumerate(strings):
        digits[row, : len(string)] = np.frombuffer(string.encode(), np.uint8) - ord("0")
    return Roster(strings, digits, lengths)


def shares_in(roster: Roster, lattice: Lattice, labels: Labels, other_weight: float) -> npt.NDArray[np.float64]:
    """Return the probability of each string: float64[S]. What is missing to 1 is that of all other numbers.

    `labels` is float64[N,10]. `other_weight` is the weight of what the lattice does not contain.
    """
    weights = string_weights(roster, lattice, labels)
    evenly = _total_weight(lattice, labels) / CLASSES ** roster.lengths.mean()
    other = OTHER_SHARE * len(roster.strings) * (evenly + other_weight * MIN_PROBABILITY)
    shares: npt.NDArray[np.float64] = weights / (weights.sum() + other)
    return shares


def string_weights(roster: Roster, lattice: Lattice, labels: Labels) -> npt.NDArray[np.float64]:
    """Return the summed weight of all paths through the lattice that read each string: float64[S]."""
    likely = np.maximum(labels, MIN_PROBABILITY)
    count, longest = roster.digits.shape
    reached = np.zeros((lattice.nodes + 1, count, longest + 1))  # by node, string and digits read
    reached[0, :, 0] = 1
    skips = {node: np.exp(-cost) for node, cost in lattice.skips}
    order = sorted(range(len(lattice.candidates)), key=lambda each: lattice.candidates[each].first)
    position = 0
    for node in range(lattice.nodes):
        if node in skips:
            reached[node + 1] += reached[node] * skips[node]
        while position < len(order) and lattice.candidates[order[position]].first == node:
            candidate = lattice.candidates[order[position]]
            read = likely[order[position]][roster.digits] * np.exp(candidate.prior)
            reached[candidate.last, :, 1:] += reached[node, :, :-1] * read
            position += 1
    found: npt.NDArray[np.float64] = reached[-1, np.arange(count), roster.lengths]
    return found


def _total_weight(lattice: Lattice, labels: Labels) -> float:
    """Return the summed weight of all paths, for any text."""
    reached = np.zeros(lattice.nodes + 1)
    reached[0] = 1
    skips = {node: np.exp(-cost) for node, cost in lattice.skips}
    for node in range(lattice.nodes):
        reached[node + 1] += reached[node] * skips.get(node, 0.0)
        for candidate, each in zip(lattice.candidates, labels, strict=True):
            if candidate.first == node:
                reached[candidate.last] += reached[node] * float(np.exp(candidate.prior)) * float(each.sum())
    return float(reached[-1])
