"""`python -m worker.tasks.retraining.low_priority PARENT NICENESS FOLDER COMMAND…`: become COMMAND, at low priority.

The process is killed with PARENT, the trainer that started it. It exits with EXIT_BUSY while another process works in
FOLDER. This is a program, because a function between fork and exec may do none of this in a process with threads.
"""

import contextlib
import ctypes
import fcntl
import os
import signal
import sys
from pathlib import Path

EXIT_BUSY = 75
LOCK = "lock"
MIN_NICE = 19
_PR_SET_PDEATHSIG = 1


def main(parent: int, niceness: int, folder: Path, command: list[str]) -> int:
    """Return an exit status if COMMAND cannot run; otherwise do not return."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the parent died before prctl
            return EXIT_BUSY
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return EXIT_BUSY
    os.set_inheritable(lock, True)  # COMMAND holds the lock while it runs
    os.nice(niceness)
    if niceness == MIN_NICE and hasattr(os, "SCHED_IDLE"):
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    return os.execvp(command[0], command)  # noqa: S606


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:]))
