"""Sets of integers as sorted runs such as `0-40,42-43`. The stop of a run is excluded."""

import re
from collections.abc import Iterable

RUNS = re.compile(r"[0-9]{1,9}-[0-9]{1,9}(?:,[0-9]{1,9}-[0-9]{1,9})*")


def runs_of(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Return (first, stop) of each run, in order."""
    runs: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if runs and runs[-1][1] == number:
            runs[-1] = (runs[-1][0], number + 1)
        else:
            runs.append((number, number + 1))
    return runs


def runs_text(numbers: Iterable[int], max_runs: int) -> str:
    """Return the first `max_runs` runs as text, which is empty if there are none."""
    return ",".join(f"{first}-{stop}" for first, stop in runs_of(numbers)[:max_runs])


def numbers_of(text: str, limit: int) -> set[int]:
    """Parse the text of `runs_text` and return the numbers below `limit`. Raises ValueError for other text."""
    numbers: set[int] = set()
    if not text:
        return numbers
    if not RUNS.fullmatch(text):
        raise ValueError("expected runs of numbers such as 0-40,42-43")
    after = 0
    for run in text.split(","):
        first, stop = map(int, run.split("-"))
        if not after <= first < stop:
            raise ValueError(f"{run} is out of order")
        numbers.update(range(first, min(stop, limit)))
        after = stop
    return numbers
