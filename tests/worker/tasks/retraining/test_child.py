"""Real processes, started as a trainer starts them."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.processes import ROOT, wait_until
from worker.tasks.retraining.child import FolderBusy, Stopped, Stream, run_process

SLEEP = "import time; print('begun', flush=True); time.sleep(600)"


def run(
    folder: Path, program: str, niceness: int = 0, may_run: Callable[[], bool] = lambda: True
) -> tuple[int, list[tuple[Stream, str]]]:
    lines: list[tuple[Stream, str]] = []
    command = [sys.executable, "-c", program]
    status = run_process(command, folder, {"GREETING": "hello"}, niceness, lambda *line: lines.append(line), may_run)
    return status, lines


def test_both_streams_are_read_line_by_line(tmp_path: Path) -> None:
    program = "import os, sys; print(os.environ['GREETING']); print('oh', file=sys.stderr); print('end', end='')"
    status, lines = run(tmp_path, program + "; sys.exit(3)")
    assert status == 3
    assert [line for stream, line in lines if stream == "out"] == ["hello", "end"]
    assert ("err", "oh") in lines


@pytest.mark.skipif(sys.platform != "linux", reason="SCHED_IDLE is Linux's")
def test_the_process_has_the_lowest_priority() -> None:
    program = "import os; print(os.nice(0), os.sched_getscheduler(0) == os.SCHED_IDLE)"
    niceness = min(19, os.nice(0) + 19)
    assert run(Path("/tmp"), program, niceness=19) == (0, [("out", f"{niceness} True")])  # noqa: S108


def test_a_process_that_has_to_stop_ends_with_all_of_its_children(tmp_path: Path) -> None:
    program = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
{SLEEP}
"""
    pids: list[int] = []

    def on_line(stream: Stream, line: str) -> None:
        if line.isdecimal():
            pids.append(int(line))

    with pytest.raises(Stopped):
        run_process([sys.executable, "-c", program], tmp_path, {}, 0, on_line, lambda: not pids)
    assert_ended(pids[0])


def test_a_process_that_may_not_run_is_not_started(tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        run(tmp_path, SLEEP, may_run=lambda: False)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux reports the death of a parent")
def test_the_process_dies_with_the_trainer_and_locks_its_folder_until_then(tmp_path: Path) -> None:
    trainer = f"""
import sys
from pathlib import Path
from worker.tasks.retraining.child import run_process
command = [sys.executable, "-c", "import os; print(os.getpid(), flush=True);" + {SLEEP!r}]
run_process(command, Path({str(tmp_path)!r}), {{}}, 0, lambda stream, line: print(line, flush=True), lambda: True)
"""
    process = subprocess.Popen([sys.executable, "-c", trainer], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        with pytest.raises(FolderBusy):
            run(tmp_path, "")
        process.send_signal(signal.SIGKILL)
    assert_ended(pid)
    assert run(tmp_path, "print('mine now')") == (0, [("out", "mine now")])


def assert_ended(pid: int) -> None:
    """Wait until the process is gone, or a zombie whose parent is gone."""
    status = Path(f"/proc/{pid}/status")
    wait_until(lambda: not status.exists() or "State:\tZ" in status.read_text(), f"{pid} has ended")
