"""The folder `.run` of a service on one machine: private, used by one service at a time, with a log of bounded size."""

import contextlib
import fcntl
import os
from pathlib import Path

from deploy.processes import describe_process
from shared.config.settings import RUN_DIR
from shared.errors import MnistifiedError

LOCK_FILE = RUN_DIR / "lock"
LOG_FILE = RUN_DIR / "service.log"
MAX_LOG_BYTES = 10 << 20  # the log and the one before it are kept


def private_dir(path: Path) -> Path:
    """Create the folder if it is missing, and let only its owner enter it. Raises MnistifiedError if that fails."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.chmod(0o700)
    except OSError as error:
        raise MnistifiedError(
            f"the folder {path.absolute()} cannot be used: {error.strerror}; it must belong to the user who starts this"
        ) from error
    return path


def write_private(path: Path, text: str) -> None:
    """Replace the file by one that only its owner can read, at every moment."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)


def lock_run_dir() -> int:
    """Reserve `.run` for this process, and return the descriptor of the lock, which lasts until it is closed.

    The programs inherit the descriptor, so the folder stays reserved if they outlive this process.
    Raises MnistifiedError, which names the process that uses the folder.
    """
    private_dir(RUN_DIR)
    try:
        lock = os.open(LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise MnistifiedError(f"{LOCK_FILE.absolute()} cannot be opened: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(lock, 20).decode().strip()
        os.close(lock)
        raise MnistifiedError(
            f"the folder {RUN_DIR.absolute()} is in use by {describe_process(holder)}: stop it first, or start this in "
            "another folder"
        ) from None
    except OSError as error:  # a network file system without locks
        os.close(lock)
        raise MnistifiedError(f"{LOCK_FILE.absolute()} cannot be locked: {error.strerror}") from error
    os.ftruncate(lock, 0)
    os.write(lock, f"{os.getpid()}\n".encode())
    return lock


class LogFile:
    """The output of all programs. At MAX_LOG_BYTES, and at each start, it becomes `service.log.1` and begins again."""

    def __init__(self, path: Path = LOG_FILE, max_bytes: int = MAX_LOG_BYTES) -> None:
        self._path, self._max_bytes = path, max_bytes
        self._begin()

    def write(self, text: str) -> None:
        """Append a text. A full disk loses it, and stops nothing."""
        data = text.encode()
        if self._bytes + len(data) > self._max_bytes:
            with contextlib.suppress(OSError):
                self.close()
                self._begin()
        with contextlib.suppress(OSError):
            self._bytes += os.write(self._descriptor, data)

    def close(self) -> None:
        os.close(self._descriptor)

    def _begin(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._path.rename(self._path.with_name(f"{self._path.name}.1"))
        self._descriptor = os.open(
            self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600
        )
        self._bytes = 0
