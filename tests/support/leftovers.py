"""Finds processes that tests started and did not stop. Every such process inherits MARK from the test run."""

import os
import select
import time
from pathlib import Path

MARK = "MNISTIFIED_TEST_RUN"
OWN_HELPER = b"multiprocessing.resource_tracker"  # lives as long as the process of pytest that started it


def find_leftovers(run_id: str, grace_s: float) -> list[str]:
    """Return the command lines of processes of this run that are still alive `grace_s` seconds from now."""
    deadline_s = time.monotonic() + grace_s
    while True:
        pids = _marked_pids(f"{MARK}={run_id}".encode())
        left_s = deadline_s - time.monotonic()
        if not pids or left_s <= 0:
            return [f"{pid}: {_command(pid)}" for pid in pids]
        _wait_for_exit(pids[0], left_s)


def _marked_pids(mark: bytes) -> list[int]:
    pids = (int(path.name) for path in Path("/proc").glob("[0-9]*") if int(path.name) != os.getpid())
    marked = (pid for pid in pids if mark in _read(pid, "environ").split(b"\0"))
    return [pid for pid in marked if OWN_HELPER not in _read(pid, "cmdline")]


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""  # the process has exited, or belongs to another user


def _command(pid: int) -> str:
    return _read(pid, "cmdline").replace(b"\0", b" ").decode(errors="replace").strip()


def _wait_for_exit(pid: int, timeout_s: float) -> None:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        select.select([descriptor], [], [], timeout_s)
    finally:
        os.close(descriptor)
