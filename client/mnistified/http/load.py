"""A closed loop of single images on one service: each connection sends again as soon as it has its answer.

One thread and asyncio's bare protocols, some 10,000 requests/s of one core. A full HTTP client would cost more than the
service that it measures.
"""

import asyncio
import itertools
import math
import ssl
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

from mnistified.errors import Unreachable
from mnistified.http.http_wire import Incomplete, read_reply, retry_after_s, to_request

PROGRESS_INTERVAL_S = 0.1
REFUSALS = (429, 503)
CLOSED = "closed"  # in `failed`, instead of a status: the service closed the connection before it answered
NOT_CONNECTED = "not connected"
NO_ANSWER = "no answer"


@dataclass(slots=True)
class Load:
    """The answers to one load, which lasted `seconds`. `refused` counts 429 and 503, `failed` all other failures."""

    seconds: float = 0.0
    latencies_s: list[float] = field(default_factory=list)
    refused_s: list[float] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)

    def count(self, status: int, latency_s: float) -> None:
        if 200 <= status < 300:
            self.latencies_s.append(latency_s)
        elif status in REFUSALS:
            self.refused_s.append(latency_s)
            self.refused[str(status)] += 1
        else:
            self.failed[str(status)] += 1


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that a `share` (0 to 1) of all do not exceed. Raises ValueError for no values."""
    if not values:
        raise ValueError("a percentile needs at least one value")
    rank = max(1, math.ceil(share * len(values)))
    return sorted(values)[rank - 1]


def closed_loop(
    url: str,
    path: str,
    pngs: Sequence[bytes],
    connections: int,
    seconds: float,
    *,
    key: str = "",
    patient: bool = False,
    drain_s: float = 0.0,
    progress: Callable[[float], None] = lambda elapsed_s: None,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> Load:
    """Block for `seconds`, and report the elapsed time now and then. An interrupt ends the loop early.

    `path` is below `url`, and may have a query. The images are sent in turn. A `patient` connection waits after a
    refusal for as long as `Retry-After` says. Answers that arrive within `drain_s` of the end still count.
    Raises Unreachable if nothing listens at `url`.
    """
    parts = urlsplit(url)
    requests = [to_request(parts.path.rstrip("/") + path, png, parts.netloc, key) for png in pngs]
    load = Load()
    try:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(_run(url, requests, load, connections, seconds, patient, drain_s, progress))
    except OSError as error:
        raise Unreachable(f"{url}: {error}") from None
    except KeyboardInterrupt:
        pass  # the answers until now count
    return load


class Connection(asyncio.Protocol):
    """A connection with one request under way at most."""

    def __init__(self, pool: "Connections") -> None:
        self._pool = pool
        self._received = b""  # the part of a reply that has arrived
        self._sent_s: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def send(self, request: bytes, due_s: float | None = None) -> None:
        """Send a request. Its latency counts from `due_s` (`time.perf_counter`), or from now."""
        self._sent_s = time.perf_counter() if due_s is None else due_s
        self._pool.begin()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        received = self._received + data if self._received else data
        try:
            status, _ = read_reply(received)
        except Incomplete:
            self._received = received
            return
        self._received = b""
        if self._sent_s is not None:
            self._pool.load.count(status, time.perf_counter() - self._sent_s)
            self._finish()
            self._pool.on_idle(self, retry_after_s(received) if status in REFUSALS else 0.0)

    def connection_lost(self, error: Exception | None) -> None:
        if self._sent_s is not None and not self._pool.closed:
            self._pool.load.failed[CLOSED] += 1
            self._finish()
        self._pool.replace(self)

    def _finish(self) -> None:
        self._sent_s = None
        self._pool.finish()

    def close(self) -> None:
        self._transport.close()


class Connections:
    """Connections to one service. A connection that breaks is replaced, unless the service refuses a new one.

    `on_idle` is called when a connection may send again, with the seconds that the service asked it to wait.
    """

    def __init__(self, url: str, load: Load, on_idle: Callable[[Connection, float], None]) -> None:
        parts = urlsplit(url)
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._host, self._port = parts.hostname or "", parts.port or (443 if self._tls else 80)
        self._replacing: set[asyncio.Task[None]] = set()
        self.load = load
        self.on_idle = on_idle
        self.all: set[Connection] = set()
        self.busy = 0
        self.none_busy = asyncio.Event()
        self.closed = False

    @property
    def lost(self) -> bool:
        """No connection is left, and none is being replaced."""
        return not self.all and not self._replacing

    async def open(self) -> Connection:
        """Raises OSError."""
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: Connection(self), self._host, self._port, ssl=self._tls)
        self.all.add(connection)
        return connection

    def begin(self) -> None:
        self.busy += 1
        self.none_busy.clear()

    def finish(self) -> None:
        self.busy -= 1
        if not self.busy:
            self.none_busy.set()

    def replace(self, lost: Connection) -> None:
        self.all.discard(lost)
        if not self.closed:
            task = asyncio.get_running_loop().create_task(self._reconnect())
            self._replacing.add(task)
            task.add_done_callback(self._replacing.discard)

    async def _reconnect(self) -> None:
        try:
            connection = await self.open()
        except OSError:
            self.load.failed[NOT_CONNECTED] += 1
        else:
            self.on_idle(connection, 0.0)

    async def drain(self, timeout_s: float) -> None:
        """Wait for the answers that are due; count those that do not arrive in time as failed."""
        try:
            if self.busy and timeout_s > 0:
                await asyncio.wait_for(self.none_busy.wait(), timeout_s)
        except TimeoutError:
            self.load.failed[NO_ANSWER] += self.busy

    def close(self) -> None:
        self.closed = True
        for task in self._replacing:
            task.cancel()
        for connection in self.all:
            connection.close()


async def _run(
    url: str,
    requests: Sequence[bytes],
    load: Load,
    count: int,
    seconds: float,
    patient: bool,
    drain_s: float,
    progress: Callable[[float], None],
) -> None:
    following = itertools.cycle(requests)
    ending = False

    def send(connection: Connection) -> None:
        if not ending and connection in pool.all:
            connection.send(next(following))

    def on_idle(connection: Connection, delay_s: float) -> None:
        if patient and delay_s > 0:
            asyncio.get_running_loop().call_later(delay_s, send, connection)
        else:
            send(connection)

    pool = Connections(url, load, on_idle)
    opened = [await pool.open() for _ in range(count)]
    start_s = time.perf_counter()
    try:
        for connection in opened:
            send(connection)
        while (elapsed_s := time.perf_counter() - start_s) < seconds and not pool.lost:
            progress(elapsed_s)
            await asyncio.sleep(min(PROGRESS_INTERVAL_S, seconds - elapsed_s))
        ending = True
        await pool.drain(drain_s)
    finally:
        load.seconds = time.perf_counter() - start_s
        pool.close()
