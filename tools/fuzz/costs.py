"""The cost of requests for the API: the peak of its memory, and how late it answers others meanwhile."""

import http.client
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

MAX_MEMORY_BYTES = 128 << 20  # by one request
MAX_STALL_MS = 100.0
PING_EVERY_S = 0.003
RESET_PEAK = "5"  # written to clear_refs: the peak of the memory is now the current memory (man 5 proc)


@dataclass(frozen=True, slots=True)
class Cost:
    """`memory_bytes` is the rise of the API's memory, `stall_ms` the slowest answer to a ping meanwhile."""

    memory_bytes: int
    stall_ms: float

    @property
    def passed(self) -> bool:
        return self.memory_bytes <= MAX_MEMORY_BYTES and self.stall_ms <= MAX_STALL_MS


@dataclass(slots=True)
class Worst:
    """The largest costs on one route, with the names of the inputs that caused them."""

    memory: tuple[int, str] = (0, "")
    stall: tuple[float, str] = (0.0, "")

    def add(self, cost: Cost, name: str) -> None:
        self.memory = max(self.memory, (cost.memory_bytes, name))
        self.stall = max(self.stall, (cost.stall_ms, name))


@dataclass(slots=True)
class CostTable:
    """The worst known input of each route."""

    routes: dict[str, Worst] = field(default_factory=dict)

    def add(self, route: str, cost: Cost, name: str) -> None:
        self.routes.setdefault(route, Worst()).add(cost, name)

    def lines(self) -> Iterator[str]:
        """Yield a Markdown table."""
        yield "| route | memory, MiB | caused by | longest stall, ms | caused by |"
        yield "| --- | --- | --- | --- | --- |"
        for route, worst in sorted(self.routes.items()):
            (memory_bytes, memory_name), (stall_ms, stall_name) = worst.memory, worst.stall
            yield f"| `{route}` | {memory_bytes / (1 << 20):.0f} | {memory_name} | {stall_ms:.0f} | {stall_name} |"


class Watch:
    """Watches the API process `pid` on `port`: pings it all the time from another process."""

    def __init__(self, pid: int, port: int, slowest_ms: "Synchronized[float]") -> None:
        self._proc = Path(f"/proc/{pid}")
        self._slowest_ms = slowest_ms
        self._before_bytes = 0

    def begin(self) -> None:
        (self._proc / "clear_refs").write_text(RESET_PEAK)
        self._before_bytes = self._peak_bytes()
        self._slowest_ms.value = 0.0

    def cost(self) -> Cost:
        """Return the costs since `begin`. Waits for a ping that may be under way."""
        time.sleep(2 * PING_EVERY_S)
        return Cost(max(0, self._peak_bytes() - self._before_bytes), self._slowest_ms.value)

    def _peak_bytes(self) -> int:
        status = (self._proc / "status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) << 10


@contextmanager
def watching(pid: int, port: int) -> Iterator[Watch]:
    context = multiprocessing.get_context("spawn")  # another process, because building bodies would delay a thread
    slowest_ms = context.Value("d", 0.0)
    pinger = context.Process(target=_ping, args=(port, slowest_ms), daemon=True)
    pinger.start()
    try:
        yield Watch(pid, port, slowest_ms)
    finally:
        pinger.terminate()
        pinger.join()


def _ping(port: int, slowest_ms: "Synchronized[float]") -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    while True:
        started_s = time.perf_counter()
        connection.request("GET", "/healthz")
        connection.getresponse().read()
        took_ms = (time.perf_counter() - started_s) * 1e3
        with slowest_ms.get_lock():
            slowest_ms.value = max(slowest_ms.value, took_ms)
        time.sleep(PING_EVERY_S)
