"""Processes of a measurement: their output goes to a file, their memory and CPU are read, and they always end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from benchmarks.system.machine import MIB

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
STOP_S = 20.0
POLL_S = 0.05
TAIL_LINES = 30
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class BenchmarkError(Exception):
    """A measurement is not possible. The message says why."""


class Process:
    """A child in its own session, which Ctrl-C does not reach. Leaving the `with` ends it and its descendants."""

    def __init__(self, name: str, command: Sequence[str], environ: Mapping[str, str], log_dir: Path) -> None:
        self.name = name
        self.log_file = log_dir / f"{name}.log"
        log_dir.mkdir(parents=True, exist_ok=True)
        with self.log_file.open("wb") as log:
            self._popen = subprocess.Popen(  # noqa: S603  # our own command
                command,
                env=dict(environ),
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        return self._popen.pid

    def wait_until(self, ready: Callable[[], bool], timeout_s: float) -> None:
        """Wait until `ready()`. Raises BenchmarkError with the last lines if the process ends or is too slow."""
        deadline_s = time.monotonic() + timeout_s
        while not ready():
            ended = self._popen.poll() is not None
            if ended or time.monotonic() > deadline_s:
                raise BenchmarkError(f"{self.name} {'ended' if ended else 'was never ready'}:\n{self.tail()}")
            time.sleep(POLL_S)

    def tail(self) -> str:
        """Return the last lines of the output."""
        return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-TAIL_LINES:])

    def reset_peak(self) -> None:
        """Start to measure the memory peak again from here, if the kernel permits that."""
        try:
            Path(f"/proc/{self.pid}/clear_refs").write_text("5")
        except PermissionError:
            return

    def peak_mib(self) -> float:
        """Return the peak memory (RSS)."""
        return self._status_mib("VmHWM:")

    def rss_mib(self) -> float:
        """Return the current memory (RSS)."""
        return self._status_mib("VmRSS:")

    def _status_mib(self, field: str) -> float:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1]) * 1024 / MIB
        raise BenchmarkError(f"{self.name} has ended:\n{self.tail()}")

    def cpu_s(self) -> float:
        """Return the CPU time of the process and of its running descendants."""
        return sum(_cpu_ticks(pid) for pid, _ in [(self.pid, ""), *descendants(self.pid)]) / TICKS_PER_S

    def stop(self) -> None:
        """Send TERM and wait, then KILL the process if it still runs, and its descendants."""
        family = descendants(self.pid)
        if self._popen.poll() is None:
            self._popen.terminate()
        try:
            self._popen.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
        for pid, started in family:
            if _started(pid) == started:  # still the same process, not another one with this pid
                os.kill(pid, signal.SIGKILL)


def descendants(pid: int) -> list[tuple[int, str]]:
    """Return (pid, start time) of every descendant of `pid`, in any session."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found: list[int] = []
    waiting = [pid]
    while waiting:
        born = children.get(waiting.pop(), [])
        found += born
        waiting += born
    return [(child, _started(child)) for child in found]


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the third on (`man 5 proc`), none for a process that has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _started(pid: int) -> str:
    fields = _stat(pid)
    return fields[19] if fields else ""


def _cpu_ticks(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[11]) + int(fields[12]) if fields else 0
