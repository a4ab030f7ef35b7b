"""A closed loop of single images on one service: each connection sends again as soon as it has its answer.

asyncio's bare protocols, since an HTTP client of its own would be measured more than the service: some 10,000
requests/s of one core.
"""

import asyncio
import math
import ssl
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from mnistified.errors import Unreachable
from mnistified.http.http_wire import Incomplete, read_reply, to_request

LOOK_EVERY_S = 0.1
LOST = 0  # instead of a status: the service closed the connection


@dataclass(slots=True)
class Load:
    """`latencies_s` are of the answers of 2xx, `others` counts all else by status; `seconds` is how long it was."""

    seconds: float = 0.0
    latencies_s: list[float] = field(default_factory=list)
    others: Counter[int] = field(default_factory=Counter)


def percentile(values: Sequence[float], share: float) -> float:
    """The least value that at least `share` (0 to 1) of all are not above. Raises ValueError for no values."""
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
    key: str = "",
    tell: Callable[[float], None] = lambda elapsed_s: None,
) -> Load:
    """Blocks for `seconds`, telling every now and then how many have passed; an interrupt ends it early.

    `path` is below `url`, and may have a query. The images are sent in turn. Answers that come after the end do not
    count. Raises Unreachable where there is no service at `url`.
    """
    parts = urlsplit(url)
    requests = [to_request(parts.path.rstrip("/") + path, png, parts.netloc, key) for png in pngs]
    load = Load()
    try:
        asyncio.run(_run(url, requests, connections, seconds, load, tell))
    except OSError as error:
        raise Unreachable(f"{url}: {error}") from None
    except KeyboardInterrupt:
        pass  # what has been measured until now counts
    return load


async def _run(
    url: str, requests: list[bytes], connections: int, seconds: float, load: Load, tell: Callable[[float], None]
) -> None:
    parts = urlsplit(url)
    tls = ssl.create_default_context() if parts.scheme == "https" else None
    port = parts.port or (443 if tls else 80)
    loop = asyncio.get_running_loop()
    opened = [_Connection(requests, first, load) for first in range(connections)]
    for one in opened:
        await loop.create_connection(lambda one=one: one, parts.hostname or "", port, ssl=tls)
    start_s = time.perf_counter()
    try:
        for one in opened:
            one.send()
        while (elapsed_s := time.perf_counter() - start_s) < seconds and any(one.open for one in opened):
            tell(elapsed_s)
            await asyncio.sleep(min(LOOK_EVERY_S, seconds - elapsed_s))
    finally:
        load.seconds = time.perf_counter() - start_s
        for one in opened:
            one.close()


class _Connection(asyncio.Protocol):
    """Sends request after request, beginning with number `following`."""

    def __init__(self, requests: list[bytes], following: int, load: Load) -> None:
        self._requests = requests
        self._following = following
        self._load = load
        self._received = bytearray()
        self._sent_s = 0.0
        self.open = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def send(self) -> None:
        self._sent_s = time.perf_counter()
        self._transport.write(self._requests[self._following % len(self._requests)])
        self._following += 1

    def data_received(self, data: bytes) -> None:
        if not self.open:
            return
        self._received += data
        try:
            status, _ = read_reply(bytes(self._received))
        except Incomplete:
            return
        self._received.clear()
        if 200 <= status < 300:
            self._load.latencies_s.append(time.perf_counter() - self._sent_s)
        else:
            self._load.others[status] += 1
        self.send()

    def connection_lost(self, error: Exception | None) -> None:
        if self.open:
            self._load.others[LOST] += 1
        self.open = False

    def close(self) -> None:
        self.open = False
        self._transport.close()
