"""`python -m worker.tasks.retraining.low_priority PARENT NICENESS FOLDER COMMAND…`: become COMMAND, out of
everybody's way.

Least priority; killed with the trainer, the process PARENT, that started it; and alone: while another process works in
FOLDER, it ends with EXIT_TAKEN. A program of its own rather than a function between fork and exec, which may do nothing
of this in a process that has threads.
"""

import contextlib
import ctypes
import fcntl
import os
import signal
import sys
from pathlib import Path

EXIT_TAKEN = 75
LOCK = "lock"
MIN_NICE = 19
_PR_SET_PDEATHSIG = 1


def main(parent: int, niceness: int, folder: Path, command: list[str]) -> int:
    """Returns, an exit status, only when COMMAND is not run."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it has died before it could be told of
            return EXIT_TAKEN
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return EXIT_TAKEN
    os.set_inheritable(lock, True)  # held for as long as COMMAND runs
    os.nice(niceness)
    if niceness == MIN_NICE and hasattr(os, "SCHED_IDLE"):
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    return os.execvp(command[0], command)  # noqa: S606


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:]))
