"""Real processes, started as a trainer starts them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.processes import ROOT
from worker.tasks.retraining.child import Stream, Taken, Unwanted, run_aside

SLEEP = "import time; print('begun', flush=True); time.sleep(600)"


def run(
    folder: Path, program: str, niceness: int = 0, wanted: Callable[[], bool] = lambda: True
) -> tuple[int, list[tuple[Stream, str]]]:
    lines: list[tuple[Stream, str]] = []
    command = [sys.executable, "-c", program]
    status = run_aside(command, folder, {"GREETING": "hello"}, niceness, lambda *line: lines.append(line), wanted)
    return status, lines


def test_it_is_listened_to_on_both_streams_line_by_line(tmp_path: Path) -> None:
    program = "import os, sys; print(os.environ['GREETING']); print('oh', file=sys.stderr); print('end', end='')"
    status, lines = run(tmp_path, program + "; sys.exit(3)")
    assert status == 3
    assert [line for stream, line in lines if stream == "out"] == ["hello", "end"]
    assert ("err", "oh") in lines


@pytest.mark.skipif(sys.platform != "linux", reason="SCHED_IDLE is Linux's")
def test_it_has_the_least_priority_there_is() -> None:
    program = "import os; print(os.nice(0), os.sched_getscheduler(0) == os.SCHED_IDLE)"
    assert run(Path("/tmp"), program, niceness=19) == (0, [("out", "19 True")])  # noqa: S108


def test_one_that_is_not_wanted_any_more_is_ended_with_all_that_it_has_started(tmp_path: Path) -> None:
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

    with pytest.raises(Unwanted):
        run_aside([sys.executable, "-c", program], tmp_path, {}, 0, on_line, lambda: not pids)
    assert_ended(pids[0])


def test_what_is_not_wanted_before_is_not_begun(tmp_path: Path) -> None:
    with pytest.raises(Unwanted):
        run(tmp_path, SLEEP, wanted=lambda: False)


@pytest.mark.skipif(sys.platform != "linux", reason="a parent's death is told by Linux alone")
def test_it_dies_with_the_trainer_and_meanwhile_nobody_else_works_in_its_folder(tmp_path: Path) -> None:
    trainer = f"""
import sys
from pathlib import Path
from worker.tasks.retraining.child import run_aside
command = [sys.executable, "-c", "import os; print(os.getpid(), flush=True);" + {SLEEP!r}]
run_aside(command, Path({str(tmp_path)!r}), {{}}, 0, lambda stream, line: print(line, flush=True), lambda: True)
"""
    process = subprocess.Popen([sys.executable, "-c", trainer], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        with pytest.raises(Taken):
            run(tmp_path, "")
        process.send_signal(signal.SIGKILL)
    assert_ended(pid)
    assert run(tmp_path, "print('mine now')") == (0, [("out", "mine now")])


def assert_ended(pid: int) -> None:
    """Or will be in a moment: its parent is gone, so nobody is told."""
    deadline_s = time.monotonic() + 30
    while Path(f"/proc/{pid}").exists() and "State:\tZ" not in Path(f"/proc/{pid}/status").read_text():
        assert time.monotonic() < deadline_s, f"{pid} lives on"
        os.sched_yield()
