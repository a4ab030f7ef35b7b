"""The pace of a load: alone on the machine, or next to engines that serve."""

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

Around = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Pace:
    """`step` wraps each part of a load, and `timed` each run that `clock_s` times. Runs take up to `longest_ms`."""

    step: Around = nullcontext
    timed: Around = nullcontext
    clock_s: Callable[[], float] = time.perf_counter
    longest_ms: float = math.inf


FULL_SPEED = Pace()
