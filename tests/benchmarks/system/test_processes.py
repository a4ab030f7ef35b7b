"""Every process that a measurement starts ends with it."""

import os
import sys
from pathlib import Path

import pytest

from benchmarks.system.processes import BenchmarkError, Process, descendants
from tests.support.processes import wait_until

SLEEPER = "import time; time.sleep(600)"
PARENT_OF_A_DAEMON = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", {SLEEPER!r}], start_new_session=True)
print(child.pid, flush=True)
time.sleep(600)
"""


def python(code: str, log_dir: Path) -> Process:
    return Process("python", [sys.executable, "-c", code], os.environ, log_dir)


def test_descendants_end_with_their_process_even_in_sessions_of_their_own(tmp_path: Path) -> None:
    with python(PARENT_OF_A_DAEMON, tmp_path) as process:
        process.wait_until(lambda: process.tail() != "", timeout_s=10)
        child = int(process.tail())
        assert [pid for pid, _ in descendants(process.pid)] == [child]
    wait_until(lambda: not alive(child), "the child has ended", 10)


def alive(pid: int) -> bool:
    """Return whether the process runs. A zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_error_for_a_process_that_ends_before_it_is_ready_has_its_last_lines(tmp_path: Path) -> None:
    with (
        python("raise SystemExit('no such setting')", tmp_path) as process,
        pytest.raises(BenchmarkError, match="python ended:\nno such setting"),
    ):
        process.wait_until(lambda: False, timeout_s=10)


def test_memory_and_cpu_of_a_process_are_read(tmp_path: Path) -> None:
    with python(f"print('started', flush=True); {SLEEPER}", tmp_path) as process:
        process.wait_until(lambda: process.tail() != "", timeout_s=10)
        process.reset_peak()
        assert process.peak_mib() > 1
        assert process.cpu_s() >= 0
