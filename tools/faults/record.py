"""The record of a drill: requests and answers of all clients with their times, for the account and the recovery."""

import math
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from tools.faults.account import Tally


@dataclass(slots=True, eq=False)
class Accepted:
    """An accepted request with its image numbers. Times are of `time.monotonic`.

    `prints` are the fingerprints of its items at the first reading in a final state.
    """

    id: str
    numbers: Sequence[int]
    model: str  # empty for the default
    sent_s: float
    final_s: float | None = None
    prints: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Recovery:
    """The first single and the first job that were sent after `since_s` and answered correctly."""

    since_s: float
    single_s: float | None = None
    job_s: float | None = None


@dataclass(frozen=True, slots=True)
class Times:
    """The times of one repetition.

    `again_s` is the time until later singles and jobs were answered, `held_s` until all earlier requests were final.
    `silence_s` is the longest time without a correct answer to a single, from before the fault to the recovery.
    """

    again_s: float
    held_s: float
    silence_s: float


class Record:
    """The record, which all client threads write."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._open: list[Accepted] = []
        self._settled: list[Accepted] = []
        self._kept: list[Accepted] = []
        self._recovery = Recovery(0.0)
        self._last_right_s = self._silence_s = 0.0
        self._forgiven_s = 0.0
        self.tally = Tally()
        self.images: Counter[str] = Counter()  # accepted, by model
        self.refused_singles = 0
        self.refused_jobs = 0

    def accept(self, accepted: Accepted) -> None:
        """Add an accepted id without answers yet."""
        with self._changed:
            self._open.append(accepted)
            self.images[accepted.model] += len(accepted.numbers)

    def settle(self, accepted: Accepted, final_s: float, prints: list[int], tally: Tally) -> None:
        """Add the answers to an id."""
        with self._changed:
            accepted.final_s, accepted.prints = final_s, prints
            self._open.remove(accepted)
            self._settled.append(accepted)
            self.tally.add(tally)
            recovery = self._recovery
            if tally.clean and recovery.job_s is None and accepted.sent_s >= recovery.since_s:
                recovery.job_s = final_s
            self._changed.notify_all()

    def answer_single(self, single: Accepted, tally: Tally) -> None:
        """Add a single that was answered at once. If its id is known, it is read again at the end."""
        with self._changed:
            self.images[single.model] += 1
            self.tally.add(tally)
            if single.id:
                self._kept.append(single)
            if tally.clean and single.final_s is not None:
                self._silence_s = max(self._silence_s, single.final_s - self._last_right_s)
                self._last_right_s = single.final_s
            recovery = self._recovery
            if tally.clean and recovery.single_s is None and single.sent_s >= recovery.since_s:
                recovery.single_s = single.final_s
                self._changed.notify_all()

    def refuse(self, *, job: bool) -> None:
        with self._changed:
            self.refused_jobs += job
            self.refused_singles += not job

    def add(self, tally: Tally) -> None:
        with self._changed:
            self.tally.add(tally)

    @contextmanager
    def forgiving(self) -> Iterator[None]:
        """Redis deletes accepted images meanwhile: those that are sent until the end may be gone, but not wrong."""
        self._forgiven_s = math.inf
        try:
            yield
        finally:
            self._forgiven_s = time.monotonic()

    def is_forgiven(self, accepted: Accepted) -> bool:
        return accepted.sent_s < self._forgiven_s

    def waiting(self) -> list[Accepted]:
        """Return the accepted ids that are not final yet."""
        with self._changed:
            return list(self._open)

    def settled(self) -> list[Accepted]:
        with self._changed:
            return list(self._settled)

    def kept(self) -> list[Accepted]:
        """Return the singles that were answered at once with an id."""
        with self._changed:
            return list(self._kept)

    def wait_final(self, accepted: Accepted, timeout_s: float) -> bool:
        """Wait for the answers. Return False if they do not arrive."""
        with self._changed:
            return self._changed.wait_for(lambda: accepted.final_s is not None, timeout_s)

    def begin(self) -> None:
        """Begin a repetition: its longest silence counts from now."""
        with self._changed:
            self._last_right_s, self._silence_s = time.monotonic(), 0.0

    def mark(self) -> None:
        """Measure the recovery from now."""
        with self._changed:
            self._recovery = Recovery(time.monotonic())

    def wait_recovered(self, timeout_s: float) -> Times | None:
        """Wait for the recovery. Return None if the service does not recover."""
        with self._changed:
            self._changed.wait_for(lambda: self._times() is not None, timeout_s)
            return self._times()

    def _times(self) -> Times | None:
        recovery = self._recovery
        since_s, single_s, job_s = recovery.since_s, recovery.single_s, recovery.job_s
        if single_s is None or job_s is None or any(one.sent_s < since_s for one in self._open):
            return None
        held = [one.final_s for one in self._settled if one.sent_s < since_s and one.final_s is not None]
        held_s = max(0.0, max(held, default=since_s) - since_s)
        return Times(max(single_s, job_s) - since_s, held_s, self._silence_s)
