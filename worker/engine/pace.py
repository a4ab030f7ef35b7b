"""How a version is loaded: with the machine to itself, or beside engines that serve."""

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

Around = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Pace:
    """`step` is around what may take its time, `timed` around each run that `clock_s` times.

    Batch sizes that take longer than `longest_ms` are left out.
    """

    step: Around = nullcontext
    timed: Around = nullcontext
    clock_s: Callable[[], float] = time.perf_counter
    longest_ms: float = math.inf


FULL_SPEED = Pace()
