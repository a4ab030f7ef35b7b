"""A Redis master, its replica, and three Sentinels that monitor them: real processes on free ports."""

from pathlib import Path
from typing import Any

import redis

from deploy.processes import free_port
from deploy.redis_server import find_redis_server, redis_command
from tests.support.processes import Process, wait_until

SERVICE = "digits"
SENTINELS = 3
DOWN_AFTER_MS = 1000


class RedisGroup:
    """Redis servers with `password`, and Sentinels with `sentinel_password`. `tls` are TLS options for all of them."""

    def __init__(
        self, folder: Path, password: str = "", sentinel_password: str = "", tls: tuple[str, ...] = ()
    ) -> None:
        self._folder, self._password, self._sentinel_password, self._tls = folder, password, sentinel_password, tls
        self.ports = [free_port(), free_port()]
        self.servers = {port: self._start_server(port) for port in self.ports}
        master, replica = self.ports
        with self.client(replica) as client:
            client.replicaof("127.0.0.1", str(master))
            wait_until(lambda: client.info("replication")["master_link_status"] == "up", "replicating")
        self.sentinel_ports = [free_port() for _ in range(SENTINELS)]
        self._sentinels = [self._start_sentinel(port, master) for port in self.sentinel_ports]
        for port in self.sentinel_ports:
            with self._sentinel(port) as sentinel:
                wait_until(lambda asked=sentinel: knows_all(asked), "known to each other")  # type: ignore[misc]

    @property
    def hosts(self) -> str:
        """The addresses of the Sentinels, in the format of REDIS_URL."""
        return ",".join(f"127.0.0.1:{port}" for port in self.sentinel_ports)

    def master(self) -> int:
        """Return the port of the master, according to the first Sentinel."""
        with self._sentinel(self.sentinel_ports[0]) as sentinel:
            address: list[bytes] = sentinel.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
            return int(address[1])

    def wait_for_another_master(self, than: int) -> int:
        wait_until(lambda: self.master() != than, f"another master than {than}")
        return self.master()

    def client(self, port: int) -> "redis.Redis":
        return self._client(port, self._password)

    def close(self) -> None:
        for process in [*self._sentinels, *self.servers.values()]:
            if process.status is None:
                process.stop()

    def _start_server(self, port: int) -> Process:
        folder = self._folder / str(port)
        folder.mkdir()
        login = ("--requirepass", self._password, "--masterauth", self._password) if self._password else ()
        command = [*redis_command(find_redis_server(), port, folder), "--repl-diskless-sync-delay", "0", *login]
        process = Process([*command, *self._tls_options(port)], {})
        process.wait_for_line("Ready to accept connections")
        return process

    def _start_sentinel(self, port: int, master: int) -> Process:
        login = [f"sentinel auth-pass {SERVICE} {self._password}"] if self._password else []
        own = [f"requirepass {self._sentinel_password}"] if self._sentinel_password else []
        config = self._folder / f"sentinel-{port}.conf"
        config.write_text(
            "\n".join(
                [
                    "bind 127.0.0.1",
                    f"port {port}",
                    f"dir {self._folder}",
                    f"sentinel monitor {SERVICE} 127.0.0.1 {master} 2",
                    f"sentinel down-after-milliseconds {SERVICE} {DOWN_AFTER_MS}",
                    f"sentinel failover-timeout {SERVICE} 5000",
                    *login,
                    *own,
                ]
            )
            + "\n"
        )
        command = [str(find_redis_server()), str(config), "--sentinel", *self._tls_options(port)]
        process = Process(command, {})
        process.wait_for_line("Sentinel ID is")
        return process

    def _tls_options(self, port: int) -> list[str]:
        """Return the options that replace the plain port by one for TLS. Redis uses the last `--port`."""
        if not self._tls:
            return []
        return ["--port", "0", "--tls-port", str(port), "--tls-replication", "yes", *self._tls]

    def _sentinel(self, port: int) -> "redis.Redis":
        return self._client(port, self._sentinel_password)

    def _client(self, port: int, password: str) -> "redis.Redis":
        ca_file = self._tls[self._tls.index("--tls-ca-cert-file") + 1] if self._tls else None
        return redis.Redis(port=port, password=password or None, ssl=bool(self._tls), ssl_ca_certs=ca_file)


def knows_all(sentinel: "redis.Redis") -> bool:
    """Return whether the Sentinel knows the replica and the other Sentinels, which an election requires."""
    state: dict[str, Any] = sentinel.sentinel_masters()[SERVICE]  # type: ignore[call-overload]
    return bool(state["num-slaves"] == 1 and state["num-other-sentinels"] == SENTINELS - 1)
