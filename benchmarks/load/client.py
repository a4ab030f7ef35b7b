"""`python -m benchmarks.load.client`: our own load client, one thread, in a process of its own.

It runs the open loop, since `wrk` has none, and where `wrk` is not installed the closed loop, by way of the one that
`mnistified bench` has. Pure Python, so `wrk` disturbs a small machine less. Prints one line of JSON.
"""

import argparse
import json
import select
import socket
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from mnistified.http.http_wire import Incomplete, read_reply, to_request
from mnistified.http.load import closed_loop, percentile

OPEN_CONNECTIONS = 256
GIVE_UP_S = 10.0  # after the last request was due
READ_BYTES = 65536


@dataclass(slots=True)
class Timings:
    """Times in seconds since the start of the load."""

    latencies_s: list[float] = field(default_factory=list)
    late_s: list[float] = field(default_factory=list)
    failed: int = 0
    last_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Told:
    """What is printed."""

    requests: int
    failed: int
    seconds: float
    p50_ms: float
    p99_ms: float
    late_p99_ms: float


@dataclass(slots=True, eq=False)
class Connection:
    sock: socket.socket
    due_s: float = 0.0
    received: bytearray = field(default_factory=bytearray)


class Client:
    """`connections` open sockets; POSTs `requests` in turn."""

    def __init__(self, port: int, requests: list[bytes], connections: int) -> None:
        self._requests = requests
        self._sent = 0
        self._epoll = select.epoll()
        self._by_fd: dict[int, Connection] = {}
        for _ in range(connections):
            sock = socket.create_connection(("127.0.0.1", port))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._by_fd[sock.fileno()] = Connection(sock)
            self._epoll.register(sock, select.EPOLLIN)
        self.idle = list(self._by_fd.values())
        self.timings = Timings()
        self._start_s = time.perf_counter()

    def now_s(self) -> float:
        return time.perf_counter() - self._start_s

    @property
    def busy(self) -> int:
        return len(self._by_fd) - len(self.idle)

    def send(self, due_s: float) -> None:
        """Send the next request, which was due at `due_s`, on an idle connection."""
        connection = self.idle.pop()
        connection.due_s = due_s
        self.timings.late_s.append(self.now_s() - due_s)
        connection.sock.sendall(self._requests[self._sent % len(self._requests)])
        self._sent += 1

    def receive(self, timeout_s: float) -> None:
        """Take in what has come, waiting at most so long for it."""
        if timeout_s > 0:  # epoll itself counts in milliseconds, select in microseconds
            select.select([self._epoll.fileno()], [], [], timeout_s)
        for fd, _ in self._epoll.poll(0):
            connection = self._by_fd[fd]
            data = connection.sock.recv(READ_BYTES)
            if not data:
                raise ConnectionError("the server closed a connection")
            connection.received += data
            try:
                status, _ = read_reply(bytes(connection.received))
            except Incomplete:
                continue
            connection.received.clear()
            self._count(connection, status)

    def _count(self, connection: Connection, status: int) -> None:
        self.timings.last_s = self.now_s()
        if 200 <= status < 300:
            self.timings.latencies_s.append(self.timings.last_s - connection.due_s)
        else:
            self.timings.failed += 1
        self.idle.append(connection)


def schedule_s(rate_per_s: float, seconds: float) -> list[float]:
    """When each request is due: evenly, from 0 to the end."""
    return [index / rate_per_s for index in range(int(rate_per_s * seconds))]


def run_open(client: Client, due_s: list[float]) -> Timings:
    """Each request when it is due, or as soon after as a connection is idle; its time counts from when it was due."""
    following = 0
    give_up_s = due_s[-1] + GIVE_UP_S
    while following < len(due_s) or client.busy:
        now_s = client.now_s()
        if now_s > give_up_s:
            client.timings.failed += client.busy + len(due_s) - following
            break
        while following < len(due_s) and due_s[following] <= now_s and client.idle:
            client.send(due_s[following])
            following += 1
        until_s = due_s[following] if following < len(due_s) and client.idle else now_s + 1.0
        client.receive(until_s - client.now_s())
    return client.timings


def run_closed(port: int, path: str, pngs: list[bytes], connections: int, seconds: float) -> Timings:
    """Each connection sends again as soon as it has its answer; an interrupt ends it early."""
    load = closed_loop(f"http://127.0.0.1:{port}", path, pngs, connections, seconds)
    return Timings(load.latencies_s, failed=load.others.total(), last_s=load.seconds)


def tell(timings: Timings, seconds: float) -> Told:
    """`seconds` is how long the load lasted."""
    if not timings.latencies_s:
        return Told(0, timings.failed, seconds, 0.0, 0.0, 0.0)
    latencies_ms = [latency_s * 1e3 for latency_s in timings.latencies_s]
    return Told(
        requests=len(latencies_ms),
        failed=timings.failed,
        seconds=seconds,
        p50_ms=percentile(latencies_ms, 0.5),
        p99_ms=percentile(latencies_ms, 0.99),
        late_p99_ms=percentile(timings.late_s or [0.0], 0.99) * 1e3,
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load.client", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--connections", type=int, default=OPEN_CONNECTIONS)
    parser.add_argument("--rate-per-s", type=float, help="an open loop at this rate; without it, a closed loop")
    parser.add_argument("files", type=Path, nargs="+")
    asked = parser.parse_args()
    pngs = [file.read_bytes() for file in asked.files]
    if asked.rate_per_s:
        client = Client(asked.port, [to_request(asked.path, png) for png in pngs], asked.connections)
        timings = run_open(client, schedule_s(asked.rate_per_s, asked.seconds))
    else:
        timings = run_closed(asked.port, asked.path, pngs, asked.connections, asked.seconds)
    told = tell(timings, timings.last_s)
    print(json.dumps(asdict(told)))


if __name__ == "__main__":
    main()
