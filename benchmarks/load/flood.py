"""`python -m benchmarks.load.flood`: a closed loop that tells answers from refusals, in a process of its own.

One thread on epoll, as `benchmarks.load.client`, for as many connections as one likes. With `--patient` a connection
that
was refused waits for as long as `Retry-After` says; without it, it sends again at once. Prints one line of JSON.
"""

import argparse
import heapq
import json
import re
import select
import socket
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mnistified.http.http_wire import Incomplete, read_reply, to_request
from mnistified.http.load import percentile

REFUSALS = (429, 503)
RETRY_AFTER = re.compile(rb"\r\nretry-after: *(\d+)", re.IGNORECASE)
READ_BYTES = 65536
CONNECT_S = 10.0
DRAIN_S = 40.0  # for what is under way when the time is up: longer than a request waits in the service


@dataclass(slots=True)
class Seen:
    """Latencies in seconds; `refused` by status, `failed` by status or by what broke."""

    accepted_s: list[float] = field(default_factory=list)
    refused_s: list[float] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)

    def count(self, status: int, took_s: float) -> None:
        if status == 200:
            self.accepted_s.append(took_s)
        elif status in REFUSALS:
            self.refused_s.append(took_s)
            self.refused[str(status)] += 1
        else:
            self.failed[str(status)] += 1


@dataclass(slots=True, eq=False)
class Line:
    """A connection; `sent_s` is None while no answer is due."""

    sock: socket.socket
    sent_s: float | None = None
    received: bytearray = field(default_factory=bytearray)


class Flood:
    """`connections` open sockets, each with one request under way."""

    def __init__(self, port: int, requests: list[bytes], connections: int, patient: bool) -> None:
        self._address = ("127.0.0.1", port)
        self._requests = requests
        self._patient = patient
        self._sent = 0
        self._epoll = select.epoll()
        self._lines: dict[int, Line] = {}
        self._later: list[tuple[float, int]] = []  # when, file descriptor: lines that wait for their turn
        self.seen = Seen()
        for _ in range(connections):
            self._connect()

    def run(self, seconds: float) -> float:
        """Blocks for `seconds` and until what was sent by then is answered; returns the seconds until then."""
        start_s = time.perf_counter()
        for line in list(self._lines.values()):
            self._send(line)
        while (now_s := time.perf_counter()) < start_s + seconds:
            while self._later and self._later[0][0] <= now_s:
                line_or_none = self._lines.get(heapq.heappop(self._later)[1])
                if line_or_none is not None and line_or_none.sent_s is None:
                    self._send(line_or_none)
            until_s = min(start_s + seconds, self._later[0][0]) if self._later else start_s + seconds
            self._receive(max(0.0, until_s - now_s), again=True)
        self._drain()
        return time.perf_counter() - start_s

    def close(self) -> None:
        for line in self._lines.values():
            line.sock.close()
        self._epoll.close()

    def _drain(self) -> None:
        give_up_s = time.perf_counter() + DRAIN_S
        while any(line.sent_s is not None for line in self._lines.values()):
            if time.perf_counter() > give_up_s:
                self.seen.failed["no answer"] += sum(line.sent_s is not None for line in self._lines.values())
                return
            self._receive(0.1, again=False)

    def _connect(self) -> Line:
        sock = socket.create_connection(self._address, CONNECT_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line = Line(sock)
        self._lines[sock.fileno()] = line
        self._epoll.register(sock, select.EPOLLIN)
        return line

    def _send(self, line: Line) -> None:
        line.sent_s = time.perf_counter()
        request = self._requests[self._sent % len(self._requests)]
        self._sent += 1
        with suppress(ConnectionError):  # what broke is seen on reading
            line.sock.sendall(request)

    def _receive(self, timeout_s: float, again: bool) -> None:
        """Take in what has come; `again` says whether a line that has its answer sends another request."""
        for fd, _ in self._epoll.poll(timeout_s):
            line = self._lines[fd]
            try:
                data = line.sock.recv(READ_BYTES)
            except OSError:
                data = b""
            if not data:
                self._replace(fd, line, again)
                continue
            line.received += data
            with suppress(Incomplete):
                self._take(fd, line, read_reply(bytes(line.received))[0], again)

    def _take(self, fd: int, line: Line, status: int, again: bool) -> None:
        now_s = time.perf_counter()
        if line.sent_s is not None:
            self.seen.count(status, now_s - line.sent_s)
        line.sent_s = None
        told = RETRY_AFTER.search(bytes(line.received)) if self._patient and status in REFUSALS else None
        line.received.clear()
        if told is not None:
            heapq.heappush(self._later, (now_s + int(told[1]), fd))
        elif again:
            self._send(line)

    def _replace(self, fd: int, line: Line, again: bool) -> None:
        """A connection that was closed while an answer was due has failed; another takes its place."""
        self._epoll.unregister(fd)
        del self._lines[fd]
        line.sock.close()
        if line.sent_s is not None:
            self.seen.failed["closed"] += 1
        if again:
            try:
                self._send(self._connect())
            except OSError:
                self.seen.failed["not connected"] += 1


def tell(seen: Seen, seconds: float) -> dict[str, Any]:
    return {
        "seconds": seconds,
        "accepted": len(seen.accepted_s),
        "p50_ms": percentile(seen.accepted_s, 0.5) * 1e3 if seen.accepted_s else 0.0,
        "p99_ms": percentile(seen.accepted_s, 0.99) * 1e3 if seen.accepted_s else 0.0,
        "refused_p99_ms": percentile(seen.refused_s, 0.99) * 1e3 if seen.refused_s else 0.0,
        "refused": dict(seen.refused),
        "failed": dict(seen.failed),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load.flood", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--patient", action="store_true")
    parser.add_argument("files", type=Path, nargs="+")
    asked = parser.parse_args()
    requests = [to_request(asked.path, file.read_bytes()) for file in asked.files]
    flood = Flood(asked.port, requests, asked.connections, asked.patient)
    seconds = flood.run(asked.seconds)
    flood.close()
    print(json.dumps(tell(flood.seen, seconds)))


if __name__ == "__main__":
    main()
