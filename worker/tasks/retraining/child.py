"""A command as a process aside, listened to line by line, and ended when it is not wanted any more."""

import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from worker.tasks.retraining.low_priority import EXIT_TAKEN

TICK_S = 1.0
END_WAIT_S = 10.0  # between asking the process to end and killing it
READ_BYTES = 1 << 16
MAX_LINE_BYTES = 1 << 20

Stream = Literal["out", "err"]


class Unwanted(Exception):
    """The training was cancelled, or the trainer is told to stop; the process has ended."""


class Taken(Exception):
    """Another process works in the folder."""


def run_aside(
    command: Sequence[str],
    folder: Path,
    environ: Mapping[str, str],
    niceness: int,
    on_line: Callable[[Stream, str], None],
    wanted: Callable[[], bool],
) -> int:
    """The exit status of `command`. `wanted` is asked every TICK_S and before; False ends the process and its children.

    Raises Unwanted, and Taken.
    """
    aside = [
        sys.executable,
        "-m",
        "worker.tasks.retraining.low_priority",
        str(os.getpid()),
        str(niceness),
        str(folder),
        *command,
    ]
    if not wanted():
        raise Unwanted
    process = subprocess.Popen(  # noqa: S603
        aside,
        env={**os.environ, **environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # a process group of its own, ended as one
    )
    try:
        _listen(process, on_line, wanted)
        status = process.wait()
    finally:
        _end(process)
        for stream in (process.stdout, process.stderr):
            assert stream is not None
            stream.close()
    if status == EXIT_TAKEN:
        raise Taken
    return status


def _listen(
    process: "subprocess.Popen[bytes]", on_line: Callable[[Stream, str], None], wanted: Callable[[], bool]
) -> None:
    """Until the process has closed both of its streams. Raises Unwanted."""
    unfinished: dict[Stream, bytes] = {"out": b"", "err": b""}
    asked_s = time.monotonic()
    with selectors.DefaultSelector() as selector:
        for name, stream in (("out", process.stdout), ("err", process.stderr)):
            assert stream is not None
            selector.register(stream, selectors.EVENT_READ, name)
        while selector.get_map():
            for key, _ in selector.select(TICK_S):
                data = os.read(key.fd, READ_BYTES)
                *lines, rest = (unfinished[key.data] + data).split(b"\n")
                unfinished[key.data] = rest[:MAX_LINE_BYTES]
                if not data:
                    selector.unregister(key.fileobj)
                    lines = [rest] if rest else []
                for line in lines:
                    on_line(key.data, line.decode(errors="replace"))
            if time.monotonic() - asked_s >= TICK_S:
                asked_s = time.monotonic()
                if not wanted():
                    raise Unwanted


def _end(process: "subprocess.Popen[bytes]") -> None:
    """With all that it has started; nothing when it has ended already and left nobody behind."""
    for signum in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, signum)
        except ProcessLookupError:
            return
        try:
            process.wait(END_WAIT_S)
        except subprocess.TimeoutExpired:
            continue
