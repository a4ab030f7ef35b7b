"""The strings that a number may be, and how likely each of them is in a picture."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shared.numbers.reading import Outputs, combined
from shared.shapes import CLASSES, GAP

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


def shares_in(roster: Roster, views: Sequence[Outputs]) -> npt.NDArray[np.float64]:
    """Return the probability of each string: float64[S]. What is missing to 1 is that of all other numbers.

    `views` are float64[T,12]. The model takes all digits for equally likely, so that long numbers are rarer for it
    than in a roster: Bayes' theorem exchanges its expectation for that of the roster.
    """
    texts = combined(np.array([text_probabilities(roster, outputs) for outputs in views]))
    inside = texts * (1 - OTHER_SHARE) / len(roster.strings) * float(CLASSES) ** roster.lengths
    shares: npt.NDArray[np.float64] = inside / (inside.sum() + OTHER_SHARE * max(1 - float(texts.sum()), 1e-12))
    return shares


def text_probabilities(roster: Roster, outputs: Outputs) -> npt.NDArray[np.float64]:
    """Return the probability that the windows read each string: float64[S]."""
    count, longest = roster.digits.shape
    read = np.zeros((count, longest + 1))  # the probability that the first digits have been read
    read[:, 0] = 1
    for window in outputs:
        further = read[:, :-1] * window[roster.digits]
        read *= window[GAP]
        read[:, 1:] += further
    found: npt.NDArray[np.float64] = read[np.arange(count), roster.lengths]
    return found
