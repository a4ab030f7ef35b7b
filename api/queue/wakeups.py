"""Wake-ups for tasks that wait for an entry of single images, the end of a job, or a change of an alias.

Messages can be lost, so they are only wake-ups. The results that tasks wait for are also read from their keys after
every subscription and at a long interval.
"""

import asyncio
import contextlib
import itertools
from collections.abc import Iterator, Sequence

import msgspec
from redis.exceptions import NoPermissionError

from api.http.responses import unreadable
from api.http.uid import UID_CHARS, new_uid
from api.periodic import repeat
from api.queue.redis_wire import Wire, open_wire
from api.queue.singles.waiting_image import WaitingImage, answer_all, fail_all
from shared.contract.block.codec import decode_block
from shared.contract.model_ref import ModelRef
from shared.errors import EntryError, Unavailable
from shared.redis import keys
from shared.redis.clients import AsyncClient
from shared.redis.script import Call, Script

TICK_S = 2.0
RECONNECT_S = 0.2
ENTRIES_PER_READ = 100
LOST = "Redis has lost this image before it was classified, for example in a failover or a restart"
QUEUED, GONE = 1, 0
# One script, because a worker may finish the entry between two commands. A worker of another release may have moved it.
READ_RESULT = Script(
    "READ_RESULT",
    """
local result, stream, moved = unpack(KEYS)
local entry_id = unpack(ARGV)
local queued = #redis.call('XRANGE', stream, entry_id, entry_id) + redis.call('EXISTS', moved)
return redis.call('GET', result) or math.min(queued, 1)
""",
)


class _Expected(msgspec.Struct):  # costs less than a dataclass
    """The images of an entry, and once it is written, its version and its id on the stream."""

    images: Sequence[WaitingImage]
    model: str = ""
    entry_id: str = ""


class Wakeups:
    """Receives wake-ups. Every entry names `channel`. `listen` and `sweep` run as tasks of the process."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self.channel = keys.reply_channel(new_uid())
        self._own_channel = self.channel.encode()
        self.aliases_changed = asyncio.Event()  # set when aliases may have changed; the waiting task clears it
        self.refusal: NoPermissionError | None = None  # why Redis refuses the subscription
        self._singles: dict[str, _Expected] = {}
        self._jobs: dict[str, set[asyncio.Event]] = {}

    def expect(self, uid: str, images: Sequence[WaitingImage]) -> None:
        """Register the images of an entry. Call this before writing it: the answer may precede the write's reply."""
        self._singles[uid] = _Expected(images)

    def expected(self) -> list[WaitingImage]:
        """Return the images of all registered entries. Some may have ended, for example by a timeout."""
        return [image for expected in self._singles.values() for image in expected.images]

    def written(self, uid: str, model: str, entry_id: str) -> None:
        """Remember where the entry is, to detect its loss. Its answer may have arrived already."""
        if (expected := self._singles.get(uid)) is not None:
            expected.model, expected.entry_id = model, entry_id

    def forget(self, uid: str) -> None:
        self._singles.pop(uid, None)

    @contextlib.contextmanager
    def job_end(self, job_id: str) -> Iterator[asyncio.Event]:
        """Yield an event that is set when the job may have ended. Enter before reading the state of the job."""
        event = asyncio.Event()
        self._jobs.setdefault(job_id, set()).add(event)
        try:
            yield event
        finally:
            self._jobs[job_id].discard(event)
            if not self._jobs[job_id]:
                del self._jobs[job_id]

    async def listen(self) -> None:
        """Receive wake-ups forever. Subscribes again whenever the connection is lost."""
        await repeat(self._listen_once, RECONNECT_S, "the subscription is lost, subscribing again")

    async def sweep(self) -> None:
        """Read results forever on a slow tick, which bounds the delay that a lost wake-up causes."""
        await repeat(self._catch_up, TICK_S, "results cannot be read")

    async def _listen_once(self) -> None:
        wire = await open_wire(self._client, self._handle)
        try:
            await self._subscribe(wire)
            await self._catch_up()
            while not wire.lost.done():
                await asyncio.wait({wire.lost}, timeout=TICK_S)
                # A write detects a host that is down, and a former master: neither closes the connection.
                await wire.ask(*keys.WRITE_CHECK)
        finally:
            wire.close()

    async def _subscribe(self, wire: Wire) -> None:
        try:
            await wire.subscribe(self.channel, keys.JOBS_CHANNEL, keys.ALIASES_CHANNEL)
        except NoPermissionError as error:
            self.refusal = error
            raise
        self.refusal = None

    def _handle(self, channel: bytes, data: bytes) -> None:
        if channel == self._own_channel:
            self._answer(data[:UID_CHARS].decode(), memoryview(data)[UID_CHARS:])
        elif channel == keys.JOBS_CHANNEL.encode():
            for event in self._jobs.get(data.decode(), ()):
                event.set()
        else:
            self.aliases_changed.set()

    def _answer(self, uid: str, data: bytes | memoryview) -> None:
        expected = self._singles.pop(uid, None)
        if expected is None:
            return
        try:
            block = decode_block(data)
        except EntryError as error:
            fail_all(expected.images, unreadable(error))
            return
        answer_all(expected.images, block)

    def _lose(self, uid: str) -> None:
        expected = self._singles.pop(uid, None)
        if expected is not None:
            fail_all(expected.images, Unavailable(f"{LOST}: send it again", "redis"))

    async def _catch_up(self) -> None:
        """Act as if all messages had come, as some may be lost: wake everybody, and read all results of singles."""
        self.aliases_changed.set()
        for events in self._jobs.values():
            for event in events:
                event.set()
        await self._read_singles()

    async def _read_singles(self) -> None:
        for uid, expected in list(self._singles.items()):
            if all(image.ended for image in expected.images):  # all requests timed out
                self.forget(uid)
        written = ((uid, expected) for uid, expected in list(self._singles.items()) if expected.entry_id)
        while some := list(itertools.islice(written, ENTRIES_PER_READ)):
            async with self._client.pipeline(transaction=False) as pipeline:
                for uid, expected in some:
                    stream = keys.stream(ModelRef.parse(expected.model).name, "interactive")
                    pipeline.eval(*result_call(uid, stream, expected.entry_id))
                found = await pipeline.execute()
            for (uid, _), data in zip(some, found, strict=True):
                if data == GONE:
                    self._lose(uid)
                elif data != QUEUED:
                    self._answer(uid, data)


def result_call(uid: str, stream: str, entry_id: str) -> Call:
    """Return the arguments of EVAL that read the block of an entry of singles: QUEUED or GONE if there is none."""
    return READ_RESULT(result=keys.result(uid), stream=stream, moved=keys.moved(stream), entry_id=entry_id)
