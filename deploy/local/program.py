"""A program of the Procfile as a child process."""

import ctypes
import os
import re
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import IO

MAX_LINE_BYTES = 1 << 16
TAIL_LINES = 5
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None

_LINE = re.compile(r"(?P<name>[a-z][a-z0-9-]*):\s*(?P<command>.+)")


def parse_procfile(text: str) -> dict[str, str]:
    """Return shell commands by program name. Raises ValueError, which names a malformed line."""
    programs: dict[str, str] = {}
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise ValueError(f"Procfile: {line!r} is not `name: command`")
        programs[match["name"]] = match["command"]
    return programs


@dataclass
class Program:
    """A process that is kept running. `kind` is its name in the Procfile; a worker's `name` also has a number."""

    kind: str
    name: str
    command: str
    process: "subprocess.Popen[bytes] | None" = None
    unfinished_line: bytes = b""
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL_LINES))  # its last lines
    started_s: float = 0.0
    restart_s: float = 0.0
    early_exits: int = 0  # exits in succession, each soon after the start

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def send(self, signum: signal.Signals) -> None:
        """Send a signal, unless the process has ended."""
        if self.process is not None:
            self.process.send_signal(signum)

    def spawn(self, environ: Mapping[str, str], inherited: Collection[int]) -> IO[bytes]:
        """Start the process and return its output, which does not block. This process must have one thread."""
        own_pid = os.getpid()

        def die_with_us() -> None:
            """Have the kernel kill the child if we are killed. Runs between fork and exec, in one thread."""
            assert _LIBC is not None
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != own_pid:
                os._exit(1)

        self.started_s = time.monotonic()
        self.process = subprocess.Popen(  # noqa: S603  # a command of our Procfile
            ["/bin/sh", "-c", f"exec {self.command}"],
            env={**environ, "PROCESS_NAME": self.name},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in a terminal reaches only us
            pass_fds=inherited,
            preexec_fn=die_with_us if _LIBC is not None else None,
        )
        assert self.process.stdout is not None
        os.set_blocking(self.process.stdout.fileno(), False)
        return self.process.stdout

    def lines(self, data: bytes) -> list[str]:
        """Return the lines that `data` of the output completes. Empty data is the end of the output."""
        *lines, self.unfinished_line = (self.unfinished_line + data).split(b"\n")
        if len(self.unfinished_line) > MAX_LINE_BYTES or not data:
            lines.append(self.unfinished_line)
            self.unfinished_line = b""
        texts = [line.decode(errors="replace") for line in lines if line]
        self.tail += texts
        return texts


def describe_status(returncode: int) -> str:
    """Return the end of a process in words."""
    if returncode >= 0:
        return f"exited with status {returncode}"
    try:
        return f"was killed by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"was killed by signal {-returncode}"
