"""`python -m tools.faults.system.faulty_worker …`: a Celery worker whose engine fails; the arguments are Celery's own.

It fails on poisoned images alone, until the file that FAULTS_HEALED_FILE names is there; with FAULTS_ORDER=reversed it
answers every batch in the wrong order instead, from the start.
"""

import ctypes
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from celery.__main__ import main

from shared.images import Images, Probabilities
from tools.faults.system.poison import Fault, faults_in
from worker.engine.litert import LiteRTRuntime

HEALED_FILE = "FAULTS_HEALED_FILE"
ORDER = "FAULTS_ORDER"
FOREVER_S = 3600

Runtime = TypeVar("Runtime", bound=LiteRTRuntime)


def faulty(run: Callable[[Runtime, Images], Probabilities]) -> Callable[[Runtime, Images], Probabilities]:
    """Return `run` with the faults that the images trigger."""
    healed = Path(os.environ.get(HEALED_FILE, os.devnull))

    def run_faulty(runtime: Runtime, images: Images) -> Probabilities:
        faults = faults_in(images)
        if not faults or healed.is_file():
            return run(runtime, images)
        for fault in faults.values():
            strike(fault)
        return falsified(run(runtime, images), faults)

    return run_faulty


def strike(fault: Fault) -> None:
    """Carry out a fault that keeps the engine from answering."""
    if fault == "raises":
        raise RuntimeError("this image is poisoned")
    if fault == "hangs":
        threading.Event().wait(FOREVER_S)
    elif fault == "dies":
        signal.raise_signal(signal.SIGSEGV)  # to this thread, which would otherwise continue for a while
    elif fault == "freezes":  # PyDLL, unlike CDLL, keeps the interpreter's lock
        ctypes.PyDLL(None).sleep(FOREVER_S)


def falsified(probabilities: Probabilities, faults: dict[int, Fault]) -> Probabilities:
    """Return a wrong answer instead of the right one."""
    answer = probabilities.copy()
    for position, fault in faults.items():
        if fault == "nan":
            answer[position] = np.nan
    return answer[:-1] if "wrong-length" in faults.values() else answer


def reversing(run: Callable[[Runtime, Images], Probabilities]) -> Callable[[Runtime, Images], Probabilities]:
    def run_reversed(runtime: Runtime, images: Images) -> Probabilities:
        return run(runtime, images)[::-1]

    return run_reversed


def looking(look_inside: Callable[[LiteRTRuntime, Images], Any]) -> Callable[[LiteRTRuntime, Images], Any]:
    """Return `look_inside` with the same faults. Its answer is not changed."""
    struck = faulty(lambda runtime, images: np.zeros((len(images), 10), np.float32))

    def look_faulty(runtime: LiteRTRuntime, image: Images) -> Any:
        struck(runtime, image)
        return look_inside(runtime, image)

    return look_faulty


if __name__ == "__main__":
    LiteRTRuntime.look_inside = looking(LiteRTRuntime.look_inside)  # type: ignore[method-assign, assignment]
    change = reversing if os.environ.get(ORDER) == "reversed" else faulty
    LiteRTRuntime.run = change(LiteRTRuntime.run)  # type: ignore[method-assign, assignment]
    main()
