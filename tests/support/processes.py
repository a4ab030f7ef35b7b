"""Real processes under test: started, listened to, stopped, killed."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


def pause() -> None:
    """Leave the CPU to the processes that the caller polls. A loop without a pause would slow them down."""
    time.sleep(0.02)


class Process:
    """A child process whose output is kept line by line, so that a test waits for what it says."""

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
        """The exit status, minus the number of the signal that ended it; None while it runs."""
        return self._popen.poll()

    @property
    def output(self) -> str:
        with self._changed:
            return "\n".join(self._lines)

    @property
    def rss_bytes(self) -> int:
        """Memory that the process holds now."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def wait_for_line(self, text: str, timeout_s: float = 30) -> str:
        """The first line with `text` in it, said before or after this call."""
        deadline_s = time.monotonic() + timeout_s
        with self._changed:
            while True:
                found = next((line for line in self._lines if text in line), None)
                if found is not None:
                    return found
                left_s = deadline_s - time.monotonic()
                if self._ended or left_s <= 0:
                    raise AssertionError(f"{text!r} was never said:\n" + "\n".join(self._lines))
                self._changed.wait(left_s)

    def signal(self, signum: signal.Signals) -> None:
        self._popen.send_signal(signum)

    def wait(self, timeout_s: float = 30) -> int:
        """The exit status, once the process has ended and all that it said has been read."""
        status = self._popen.wait(timeout_s)
        self._reader.join(timeout_s)
        return status

    def stop(self, timeout_s: float = 30) -> int:
        """TERM, then wait; KILL what does not go."""
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
