"""A command in a process of its own, read line by line, and ended when the training stops."""

import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from worker.tasks.retraining.low_priority import EXIT_BUSY

TICK_S = 1.0
END_WAIT_S = 10.0  # between TERM and KILL
READ_BYTES = 1 << 16
MAX_LINE_BYTES = 1 << 20

Stream = Literal["out", "err"]


class Stopped(Exception):
    """The training was cancelled, or the trainer is stopping. The process has ended."""


class FolderBusy(Exception):
    """Another process works in the folder."""


def run_process(
    command: Sequence[str],
    folder: Path,
    environ: Mapping[str, str],
    niceness: int,
    on_line: Callable[[Stream, str], None],
    may_run: Callable[[], bool],
) -> int:
    """Run `command` as long as `may_run` allows, and return its exit status. Raises Stopped and FolderBusy."""
    low_priority = [
        sys.executable,
        "-m",
        "worker.tasks.retraining.low_priority",
        str(os.getpid()),
        str(niceness),
        str(folder),
    ]
    if not may_run():
        raise Stopped
    process = subprocess.Popen(  # noqa: S603
        [*low_priority, *command],
        env={**os.environ, **environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # a process group, which can be ended as a whole
    )
    try:
        _listen(process, on_line, may_run)
        status = process.wait()
    finally:
        _end(process)
        for stream in (process.stdout, process.stderr):
            assert stream is not None
            stream.close()
    if status == EXIT_BUSY:
        raise FolderBusy
    return status


def _listen(
    process: "subprocess.Popen[bytes]", on_line: Callable[[Stream, str], None], may_run: Callable[[], bool]
) -> None:
    """Read lines until the process has closed both streams. Raises Stopped."""
    unfinished: dict[Stream, bytes] = {"out": b"", "err": b""}
    checked_s = time.monotonic()
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
            if time.monotonic() - checked_s >= TICK_S:
                checked_s = time.monotonic()
                if not may_run():
                    raise Stopped


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the process and all of its children, if any is left."""
    for signum in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, signum)
        except ProcessLookupError:
            return
        try:
            process.wait(END_WAIT_S)
        except subprocess.TimeoutExpired:
            continue
