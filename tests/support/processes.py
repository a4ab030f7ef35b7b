"""Real processes under test: start them, read their output, stop them."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


def pause() -> None:
    """Leave the CPU to the processes that the caller polls. A loop without a pause would slow them down."""
    time.sleep(0.02)


def wait_until(condition: Callable[[], object], expected: str, timeout_s: float = 30) -> None:
    """Poll `condition` until it holds, and fail with `expected` after `timeout_s`."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, f"not within {timeout_s:g} s: {expected}"
        pause()


class Process:
    """A child process whose output is kept line by line, so that a test can wait for a line."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str], cwd: Path = ROOT) -> None:
        self._popen = subprocess.Popen(
            command,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **environ},
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._lines: list[str] = []
        self._changed = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def status(self) -> int | None:
        """The exit status, the negated number of the signal that killed the process, or None while it runs."""
        return self._popen.poll()

    @property
    def output(self) -> str:
        with self._changed:
            return "\n".join(self._lines)

    @property
    def rss_bytes(self) -> int:
        """The current memory (RSS)."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def wait_for_line(self, text: str, timeout_s: float = 30) -> str:
        """Return the first line that contains `text`, printed before or after this call."""
        deadline_s = time.monotonic() + timeout_s
        with self._changed:
            while True:
                found = next((line for line in self._lines if text in line), None)
                if found is not None:
                    return found
                left_s = deadline_s - time.monotonic()
                if self._ended or left_s <= 0:
                    raise AssertionError(f"{text!r} was never printed:\n" + "\n".join(self._lines))
                self._changed.wait(left_s)

    def signal(self, signum: signal.Signals) -> None:
        """Send a signal. After SIGSTOP, wait until all threads of the process have stopped."""
        self._popen.send_signal(signum)
        if signum == signal.SIGSTOP:
            os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOWAIT)

    def wait(self, timeout_s: float = 30) -> int:
        """Wait until the process has ended and all of its output has been read. Return its exit status."""
        status = self._popen.wait(timeout_s)
        self._reader.join(timeout_s)
        return status

    def stop(self, timeout_s: float = 30) -> int:
        """Send TERM and wait. Kill the process if it does not exit."""
        if self._popen.poll() is None:
            self._popen.terminate()
        try:
            return self.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            raise

    def _read(self) -> None:
        assert self._popen.stdout is not None
        with self._popen.stdout as output:
            for line in output:
                with self._changed:
                    self._lines.append(line.rstrip("\n"))
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()


def start_celery(*arguments: str, environ: Mapping[str, str], app: str = "worker.app") -> Process:
    """Run `celery -A APP ARGUMENTS`."""
    return Process([str(BIN / "celery"), "-A", app, *arguments], environ)


def check_ping(environ: Mapping[str, str], app: str = "worker.app") -> str:
    """Run `celery inspect ping`, which must reach one worker. Return its output."""
    ping = start_celery("inspect", "ping", environ=environ, app=app)
    assert ping.wait(60) == 0, ping.output
    assert "1 node online" in ping.output
    return ping.output
