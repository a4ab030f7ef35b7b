"""A Redis of its own that can be put into each condition in which Redis refuses commands for a while."""

import resource
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from deploy.processes import free_port
from deploy.redis_server import find_redis_server, redis_command
from tests.support.processes import Process, wait_until

BUSY_AFTER_MS = 20
NO_LIMIT = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
DISK_FULL_BYTES = 4096  # longer than the last bytes that still fit on the disk
BUSY_SCRIPT = """
local time = redis.call('TIME')
local until_us = time[1] * 1000000 + time[2] + ARGV[1] * 1000
repeat
  time = redis.call('TIME')
until time[1] * 1000000 + time[2] > until_us
"""


class BadRedis:
    """A Redis with an append-only file in `data_dir`. Its operator's connection is `admin`."""

    def __init__(self, data_dir: Path, executable: Path | None = None, *options: str) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.data_dir = data_dir
        data_dir.mkdir(exist_ok=True)
        command = redis_command(executable or find_redis_server(), self.port, data_dir)
        # A write beyond a limit of the file size is then an error, as on a full disk, and does not kill Redis.
        self._start_command = ["env", "--ignore-signal=XFSZ", *command, *options]
        self.start()

    def start(self, *options: str) -> None:
        self.process = Process([*self._start_command, *options], {})
        self.process.wait_for_line("oading" if options else "Ready to accept connections")
        self.admin = redis.Redis(port=self.port, retry=Retry(NoBackoff(), 1))

    def stop(self) -> None:
        self.admin.close()
        self.process.stop()

    def be_replica(self, of_port: int = 1) -> None:
        self.admin.replicaof("127.0.0.1", of_port)

    def be_master(self) -> None:
        self.admin.replicaof("NO", "ONE")

    @contextmanager
    def read_only(self) -> Iterator[None]:
        """Be the replica of a master that does not exist. Connections stay open."""
        self.be_replica()
        try:
            yield
        finally:
            self.be_master()

    @contextmanager
    def full_disk(self) -> Iterator[None]:
        files = [file for file in self.data_dir.rglob("*aof*") if file.is_file()]
        used_bytes = max(file.stat().st_size for file in files)
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (used_bytes, resource.RLIM_INFINITY))
        with suppress(redis.RedisError):
            self.admin.set("fills-the-disk", b"0" * DISK_FULL_BYTES, px=10_000)
        wait_until(lambda: self.admin.info("persistence")["aof_last_write_status"] == "err", "the disk is full")
        try:
            yield
        finally:
            resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, NO_LIMIT)
            wait_until(lambda: self.admin.info("persistence")["aof_last_write_status"] == "ok", "the disk has room")

    @contextmanager
    def setting(self, name: str, value: str | int) -> Iterator[None]:
        before = self.admin.config_get(name)[name] or ""
        self.admin.config_set(name, value)
        try:
            yield
        finally:
            self.admin.config_set(name, before)

    @contextmanager
    def busy(self, for_s: float = 30) -> Iterator[None]:
        """Run a script for at most `for_s`, and yield once other clients are refused. Kill the script at the end."""

        def run() -> None:
            with suppress(redis.ResponseError):  # the script was killed
                self._run_script(for_s)

        self.admin.config_set("lua-time-limit", BUSY_AFTER_MS)
        running = threading.Thread(target=run)
        running.start()
        try:
            wait_until(self._is_busy, "Redis is busy")
            yield
        finally:
            with suppress(redis.ResponseError):  # the script has ended
                self.admin.script_kill()
            running.join()

    def _run_script(self, for_s: float) -> None:
        with redis.Redis(port=self.port, socket_timeout=None, retry=Retry(NoBackoff(), 0)) as client:
            client.eval(BUSY_SCRIPT, 0, round(for_s * 1e3))

    def _is_busy(self) -> bool:
        try:
            self.admin.ping()
        except (redis.ConnectionError, redis.ResponseError) as error:
            return "busy" in str(error)
        return False

    @contextmanager
    def refused_login(self) -> Iterator[None]:
        """Have a password that nobody knows, and close the connections of all others, as the change of a password."""
        with self.setting("requirepass", "changed"):
            for kind in ("normal", "pubsub"):
                self._command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
            yield

    @contextmanager
    def without_permission(self, *commands: str) -> Iterator[None]:
        """Refuse some commands to all users, such as `evalsha` or `@write`."""
        with self.permissions(*(f"-{command}" for command in commands)):
            yield

    @contextmanager
    def permissions(self, *rules: str) -> Iterator[None]:
        """Change the permissions of all users by ACL rules, such as `resetchannels`."""
        self._command("ACL", "SETUSER", "default", *rules)
        try:
            yield
        finally:
            self._command("ACL", "SETUSER", "default", "+@all", "~*", "&*")

    @contextmanager
    def in_the_way(self, key: str) -> Iterator[None]:
        """Have a key of another type where the service has its own, which has another name meanwhile."""
        aside = f"{key}:aside"
        if existed := self.admin.exists(key):
            self.admin.rename(key, aside)
        self.admin.set(key, "in the way")
        try:
            yield
        finally:
            self.admin.delete(key)
            if existed:
                self.admin.rename(aside, key)

    def _command(self, *words: str) -> None:
        self.admin.execute_command(*words)  # type: ignore[no-untyped-call]

    def conditions(self) -> Mapping[str, Callable[[], AbstractContextManager[None]]]:
        """Return the context manager of each condition by the code of its error."""
        return {
            "READONLY": self.read_only,
            "MISCONF": self.full_disk,
            "NOREPLICAS": lambda: self.setting("min-replicas-to-write", 1),
            "OOM": lambda: self.setting("maxmemory", 1),
            "BUSY": self.busy,
            "NOAUTH": self.refused_login,
            "NOPERM": lambda: self.without_permission("@write"),
        }


def later(seconds: float, act: Callable[[], object]) -> threading.Thread:
    """Call `act` in a thread after a while, in which the caller's own call has begun to wait."""

    def run() -> None:
        time.sleep(seconds)
        act()

    thread = threading.Thread(target=run)
    thread.start()
    return thread
