"""Real processes under test: start them, read their output, stop them."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile

from tests.support.processes.starter import Forked, Starter

ROOT = Path(__file__).parents[3]
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


_starter: Starter | None = None


@contextmanager
def forking() -> Iterator[None]:
    """Let a starter fork our programs, when this process starts them."""
    global _starter
    _starter = Starter(ROOT)
    yield
    _starter.close()
    _starter = None


def run(
    command: Sequence[str], environ: Mapping[str, str], cwd: Path, stdin: bytes = b"", timeout_s: float = 50
) -> subprocess.CompletedProcess[bytes]:
    """Run a command to its end, and return its status and output."""
    environ = {**os.environ, **environ}
    if _starter is None or not _starter.can_start(command):
        return subprocess.run(command, cwd=cwd, env=environ, input=stdin, capture_output=True, timeout=timeout_s)
    (out, stdout), (err, stderr) = os.pipe(), os.pipe()
    with open(out, "rb") as output, open(err, "rb") as errors, TemporaryFile() as given, ThreadPoolExecutor() as pool:
        given.write(stdin)
        given.seek(0)
        forked = _starter.start_with(command, environ, cwd, given.fileno(), stdout, stderr)
        os.close(stdout)
        os.close(stderr)
        reads = [pool.submit(output.read), pool.submit(errors.read)]
        try:
            status = forked.wait(timeout_s)
        finally:
            forked.kill()
        return subprocess.CompletedProcess(command, status, *(read.result() for read in reads))


def thread_states(pid: int) -> list[str]:
    """Return a letter for each thread of a process: T is stopped. Returns nothing if the process has ended."""
    states = []
    for thread in Path(f"/proc/{pid}/task").glob("*"):
        with suppress(OSError):
            states.append((thread / "stat").read_text().rpartition(") ")[2][0])
    return states


class Process:
    """A child process whose output is kept line by line, so that a test can wait for a line."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str], cwd: Path = ROOT) -> None:
        environ = {**os.environ, "PYTHONUNBUFFERED": "1", **environ}
        self._popen: subprocess.Popen[str] | Forked
        if _starter is not None and _starter.can_start(command):
            self._popen = _starter.start(command, environ, cwd)
        else:
            output = subprocess.PIPE
            self._popen = subprocess.Popen(
                command, env=environ, cwd=cwd, stdout=output, stderr=subprocess.STDOUT, text=True
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
            wait_until(lambda: set(thread_states(self.pid)) <= {"T"}, f"process {self.pid} has stopped")

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

    def kill(self, timeout_s: float = 30) -> None:
        """Kill the process, if it runs, and wait."""
        self._popen.kill()
        self.wait(timeout_s)

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
