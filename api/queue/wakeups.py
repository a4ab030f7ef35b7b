"""Wake-ups for tasks that wait for an entry of single images, the end of a job, or a change of an alias.

Messages can be lost, so they are only wake-ups. The results that tasks wait for are also read from their keys after
every subscription and at a long interval.
"""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence

from api.http.uid import UID_CHARS, new_uid
from api.periodic import repeat
from api.queue.redis_wire import open_wire
from shared.contract.block import Block, decode_block
from shared.redis import keys
from shared.redis.clients import AsyncClient

TICK_S = 2.0
RECONNECT_S = 0.2

Answer = asyncio.Future[tuple[Block, int]]  # the block, and the position of the image in it


class Wakeups:
    """Receives wake-ups. Every entry names `channel`. `listen` and `sweep` run as tasks of the process."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self.channel = keys.reply_channel(new_uid())
        self.aliases_changed = asyncio.Event()  # set when aliases may have changed; the waiting task clears it
        self._singles: dict[str, Sequence[Answer]] = {}
        self._jobs: dict[str, set[asyncio.Event]] = {}

    def expect(self, uid: str, answers: Sequence[Answer]) -> None:
        """Register the answers of an entry. Call this before writing it: the answer may precede the write's reply."""
        self._singles[uid] = answers

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
        await repeat(self._read_waiting, TICK_S, "results cannot be read")

    async def _listen_once(self) -> None:
        wire = await open_wire(self._client, self._handle)
        try:
            await wire.subscribe(self.channel, keys.JOBS_CHANNEL, keys.ALIASES_CHANNEL)
            await self._read_waiting()
            while not wire.lost.done():
                await asyncio.wait({wire.lost}, timeout=TICK_S)
                await wire.call(("PING",))  # detects a Redis whose host is down, which closes no connection
        finally:
            wire.close()

    def _handle(self, channel: bytes, data: bytes) -> None:
        if channel == keys.JOBS_CHANNEL.encode():
            for event in self._jobs.get(data.decode(), ()):
                event.set()
        elif channel == keys.ALIASES_CHANNEL.encode():
            self.aliases_changed.set()
        else:
            self._answer(data[:UID_CHARS].decode(), memoryview(data)[UID_CHARS:])

    def _answer(self, uid: str, data: bytes | memoryview) -> None:
        answers = self._singles.pop(uid, ())
        if answers:
            block = decode_block(data)
            for position, answer in enumerate(answers):
                if not answer.done():
                    answer.set_result((block, position))

    async def _read_waiting(self) -> None:
        self.aliases_changed.set()
        for events in self._jobs.values():
            for event in events:
                event.set()
        for uid, answers in list(self._singles.items()):
            if all(answer.done() for answer in answers):  # all requests timed out
                self.forget(uid)
        uids = list(self._singles)
        if uids:
            blocks = await self._client.mget([keys.result(uid) for uid in uids])
            for uid, data in zip(uids, blocks, strict=True):
                if data is not None:
                    self._answer(uid, data)
