"""A `Singles` with fake clients, a fake queue whose writes end on demand, and answers on demand."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, cast

import numpy as np

from api.http.parameters import Maps
from api.metrics import Metrics
from api.queue.classify_request import ClassifyRequest
from api.queue.enqueue import Enqueuer, OnOutcomes, Outcome
from api.queue.redis_wire import OnReplies, Wires
from api.queue.singles.waiting_image import WaitingImage, answer_all
from api.queue.singles.writer import Singles
from api.queue.wakeups import Wakeups
from shared.config.api_keys import ApiKey
from shared.config.settings import Settings
from shared.contract.block import Block
from shared.contract.entry import Entry
from shared.contract.lane import Lane
from shared.redis.clock import RedisClock
from shared.shapes import IMAGE_BYTES

Asked: TypeAlias = "asyncio.Task[tuple[Block, int, str]]"


class FakeWakeups:
    channel = "replies:here"

    def __init__(self) -> None:
        self.entries: dict[str, Sequence[WaitingImage]] = {}

    def expect(self, uid: str, images: Sequence[WaitingImage]) -> None:
        self.entries[uid] = images

    def expected(self) -> list[WaitingImage]:
        return [image for images in self.entries.values() for image in images]

    def written(self, uid: str, model: str, entry_id: str) -> None:
        assert model.startswith("cnn@")

    def forget(self, uid: str) -> None:
        del self.entries[uid]

    def answer(self, entry: Entry) -> None:
        """Answer an entry like a worker. The answer to each image is its first pixel."""
        digits = np.frombuffer(entry.pixels, np.uint8)[::IMAGE_BYTES].astype(np.uint16)
        block = Block(digits, np.zeros((len(digits), 10), np.float32), entry.model, "w", 1, len(digits), 0, 0)
        answer_all(self.entries.pop(entry.uid), block)


class FakeEnqueuer:
    """A queue that holds every write until the test ends it. `writes` are the written entries."""

    def __init__(self, wakeups: FakeWakeups) -> None:
        self.wakeups = wakeups
        self.writes: list[list[Entry]] = []
        self.begun = asyncio.Event()
        self.ends: list[Callable[[list[Outcome] | None], None]] = []

    def put(self, entries: Sequence[Entry], lane: Lane, done: OnOutcomes) -> None:
        assert lane == "interactive"
        for entry in entries:
            assert entry.uid in self.wakeups.entries, "an answer may come before the write's reply"
        self.writes.append(list(entries))
        self.begun.set()
        self.ends.append(lambda outcomes: done(outcomes or ["1-0"] * len(entries)))

    def drain_s(self, images: float) -> int:
        return 3

    async def next_write(self) -> list[Entry]:
        await self.begun.wait()
        self.begun.clear()
        return self.writes[-1]


class FakeWires:
    """A connection that records the dropped images."""

    def __init__(self) -> None:
        self.dropped: list[tuple[str, str]] = []

    def send(self, commands: Sequence[Sequence[Any]], done: OnReplies) -> None:
        (sadd, key, position), (expire, same_key, ttl_s) = commands
        assert (sadd, expire, same_key) == ("SADD", "EXPIRE", key)
        assert ttl_s > 0
        self.dropped.append((key, position))
        done([1, 1])


class World:
    def __init__(self, entry_images: int = 4) -> None:
        self.wakeups = FakeWakeups()
        self.enqueuer = FakeEnqueuer(self.wakeups)
        self.wires = FakeWires()
        self.gone = asyncio.Event()
        self.singles = Singles(
            cast(Wires, self.wires),
            cast(Enqueuer, self.enqueuer),
            cast(Wakeups, self.wakeups),
            Metrics(),
            RedisClock(),
            Settings(interactive_entry_images=entry_images, max_waiting_singles=12),
        )

    def ask(
        self,
        digit: int,
        model: str = "cnn@1",
        wait_s: float = 30.0,
        timeout_s: float | None = None,
        key: str = "",
        maps: Maps | None = None,
    ) -> Asked:
        """Send an image. Its client disconnects when `gone` is set."""
        caller = ApiKey(key, "")
        asked = ClassifyRequest(model=model, caller=caller, wait_s=wait_s, timeout_s=timeout_s, maps=maps)
        return asyncio.create_task(self.singles.classify(bytes([digit]) * IMAGE_BYTES, asked, self.client_gone))

    async def client_gone(self) -> None:
        await self.gone.wait()

    async def begin(self) -> list[Asked]:
        """Send a first image, whose write stays in progress."""
        first = self.ask(0)
        await self.enqueuer.next_write()
        return [first]

    def end(self, outcomes: list[Outcome] | None = None) -> None:
        """End the oldest write in progress. Without `outcomes`, all of its entries are accepted."""
        self.enqueuer.ends.pop(0)(outcomes)
