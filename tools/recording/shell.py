"""A command on a terminal, and its output with the times."""

import codecs
import fcntl
import os
import pty
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

LINES = 50


def run(command: str, cwd: Path, environ: Mapping[str, str], columns: int) -> Iterator[tuple[float, str]]:
    """Yield (seconds since the start, text) as the output arrives. Raises CalledProcessError."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, columns, 0, 0))
    started_s = time.monotonic()
    process = subprocess.Popen(
        ["bash", "-c", command], cwd=cwd, env=environ, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    decoder = codecs.getincrementaldecoder("utf-8")()
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        while piece := _read(terminal.fileno()):
            yield time.monotonic() - started_s, decoder.decode(piece)
    if process.wait() != 0:
        raise subprocess.CalledProcessError(process.returncode, command)


def _read(terminal: int) -> bytes:
    """Return b"" at the end, which Linux signals by an error."""
    try:
        return os.read(terminal, 4096)
    except OSError:
        return b""
