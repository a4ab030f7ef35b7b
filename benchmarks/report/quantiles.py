"""Medians and spreads."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of several rounds, with the smallest and the largest value."""

    median: float
    min: float
    max: float


def spread(values: Sequence[float]) -> Spread:
    """Raises ValueError for no values."""
    if not values:
        raise ValueError("a spread needs at least one value")
    return Spread(median(values), min(values), max(values))


def middle_half(values: Sequence[tuple[float, ...]]) -> list[tuple[float, ...]]:
    """Return the rows between the quartiles of their first column: typical rows, without the tails."""
    ordered = sorted(values)
    quarter = len(ordered) // 4
    return ordered[quarter : len(ordered) - quarter]
