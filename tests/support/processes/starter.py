"""Starts our programs by fork from one process that has imported the packages that they use.

Such a start takes less than half of the CPU time of a new interpreter, and tests start more than a hundred programs.
"""

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

CELERY = "celery"
MODULES = ("api", "mnistified")
FORK_SERVER = "tests.support.processes.fork_server"
MAX_REQUEST_BYTES = 1 << 17


class Forked:
    """A process that a starter has forked. It has the methods of `subprocess.Popen` that tests use."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.stdout: TextIO
        self._status: int | None = None
        self._ended = threading.Event()

    def ended(self, status: int) -> None:
        self._status = status
        self._ended.set()

    def poll(self) -> int | None:
        return self._status

    def wait(self, timeout_s: float) -> int:
        """Return the exit status as `subprocess.Popen` does. Raises TimeoutExpired."""
        if not self._ended.wait(timeout_s):
            raise subprocess.TimeoutExpired(str(self.pid), timeout_s)
        assert self._status is not None
        return self._status

    def send_signal(self, signum: int) -> None:
        if self._status is None:
            os.kill(self.pid, signum)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Starter:
    """The process that forks, as its parent sees it. It runs from the first start until it is closed."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._process: subprocess.Popen[bytes] | None = None
        self._started: queue.Queue[Forked] = queue.Queue()
        self._forked: dict[int, Forked] = {}
        self._starting = threading.Lock()

    def _open(self) -> None:
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, "-m", FORK_SERVER, str(theirs.fileno())]
            environ = {**os.environ, "PYTHONUNBUFFERED": "1"}
            self._process = subprocess.Popen(command, env=environ, cwd=self._root, pass_fds=[theirs.fileno()])
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @staticmethod
    def can_start(command: Sequence[str]) -> bool:
        """Return whether a command is an API, a Celery program or the command line of this environment."""
        program, *arguments = command
        folder = Path(sys.executable).parent
        is_module = Path(program).parent == folder and arguments[:1] == ["-m"] and arguments[1] in MODULES
        return is_module or Path(program) == folder / CELERY

    def start(self, command: Sequence[str], environ: Mapping[str, str], cwd: Path) -> Forked:
        """Start a command that `can_start`, with its output in a pipe: `stdout` of the process that is returned."""
        read_end, write_end = os.pipe()
        with open(os.devnull) as nothing:
            forked = self.start_with(command, environ, cwd, nothing.fileno(), write_end, write_end)
        os.close(write_end)
        forked.stdout = os.fdopen(read_end)
        return forked

    def start_with(self, command: Sequence[str], environ: Mapping[str, str], cwd: Path, *files: int) -> Forked:
        """Start a command with these files as its standard input, output and error."""
        request = json.dumps({"command": list(command), "environ": dict(environ), "cwd": str(cwd)}).encode()
        with self._starting:
            if self._process is None:
                self._open()
            socket.send_fds(self._requests, [request], files)
            return self._started.get(timeout=60)

    def close(self) -> None:
        if self._process is None:
            return
        self._requests.shutdown(socket.SHUT_RDWR)
        self._reader.join()
        self._requests.close()
        self._process.wait()

    def _read(self) -> None:
        while message := self._requests.recv(MAX_REQUEST_BYTES):
            pid, status = json.loads(message)
            if status is None:
                self._forked[pid] = Forked(pid)
                self._started.put(self._forked[pid])
            else:
                self._forked.pop(pid).ended(status)
