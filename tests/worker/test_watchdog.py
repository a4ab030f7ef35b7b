"""Stuck threads are found: by a clock alone, and then in real processes."""

import subprocess
import sys

import pytest

from tests.support.processes import ROOT
from worker.watchdog import EXIT_BROKEN, MIN_REDIS_STALL_S, Watchdog


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_a_thread_is_stuck_once_it_has_run_one_batch_for_too_long() -> None:
    clock = Clock()
    watchdog = Watchdog(2.0, clock)
    pulse = watchdog.model_pulse("run-0")
    with pulse:
        clock.now_s += 2.0
        assert watchdog.stuck() == ""
        clock.now_s += 0.1
        assert watchdog.stuck() == "run-0 has run one batch for 2.1 s"
    assert watchdog.stuck() == ""
    with pulse:
        assert watchdog.stuck() == "", "every batch has its own time"


def test_a_thread_that_waits_for_redis_is_stuck_only_while_redis_answers_others() -> None:
    clock = Clock()
    watchdog = Watchdog(2.0, clock)
    watchdog.redis_answered()
    with watchdog.redis_pulse("pull-bulk"):
        clock.now_s += 2 * MIN_REDIS_STALL_S
        assert watchdog.stuck() == "", "Redis is away for everyone"
        watchdog.redis_answered()
        assert watchdog.stuck().startswith("pull-bulk has waited for 30.0 s")


def test_a_thread_is_not_stuck_while_redis_fails_again_and_again() -> None:
    clock = Clock()
    watchdog = Watchdog(2.0, clock)
    with watchdog.redis_pulse("pull-bulk"):
        for _ in range(10):
            watchdog.redis_answered()
            clock.now_s += MIN_REDIS_STALL_S / 2
            watchdog.redis_answered()
            watchdog.redis_failed()
            clock.now_s += MIN_REDIS_STALL_S / 2
            assert watchdog.stuck() == ""
        watchdog.redis_answered()
        clock.now_s += 2 * MIN_REDIS_STALL_S
        watchdog.redis_answered()
        assert watchdog.stuck().startswith("pull-bulk has waited")


HANG = """
import ctypes, threading, time
from worker.watchdog import Watchdog
watchdog = Watchdog(0.5)
pulse = watchdog.model_pulse("run-0")
threading.Thread(target=watchdog.run, args=(threading.Event(),), daemon=True).start()
with pulse:
    {hang}
print("survived")
"""


@pytest.mark.parametrize(
    ("hang", "status"),
    [
        ("threading.Event().wait()", EXIT_BROKEN),
        ("ctypes.PyDLL(None).sleep(60)", 1),  # PyDLL keeps the interpreter's lock
    ],
    ids=["without the lock", "with the lock"],
)
def test_a_process_whose_model_hangs_ends(hang: str, status: int) -> None:
    command = [sys.executable, "-c", HANG.format(hang=hang)]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert told.returncode == status
    assert "most recent call first" in told.stderr, "it says where"
    assert "survived" not in told.stdout


def test_a_stopped_watchdog_does_not_end_the_process() -> None:
    script = (
        HANG.format(hang="pass")
        .replace("(threading.Event(),)", "(stop,)")
        .replace("pulse =", "stop = threading.Event(); pulse =")
    )
    told = subprocess.run(
        [sys.executable, "-c", script + "stop.set(); time.sleep(1.5); print('fine')"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (told.returncode, told.stdout) == (0, "survived\nfine\n")
