"""Single images on their way to the queue: whatever arrives while the last write is in flight leaves together."""

import asyncio
import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass

from api.enqueue import Enqueuer
from api.replies import Answer, Replies, new_uid
from shared.block import Block
from shared.entry import Entry
from shared.errors import RequestError, Unavailable, WaitTimeout

logger = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Waiting:
    """One image that waits for its answer. `id` is given once it is part of an entry."""

    pixels: bytes
    model: str
    answer: Answer
    id: str = ""

    def run_out(self, wait_s: float) -> None:
        """The wait is over without an answer."""
        if self.answer.done():
            return
        if self.id:
            self.answer.set_exception(WaitTimeout(f"no answer within {wait_s:g} s; the work goes on", self.id))
        else:
            self.answer.set_exception(Unavailable(f"the queue took nothing within {wait_s:g} s"))


def group_by_model(waiting: Iterable[Waiting], entry_images: int) -> list[list[Waiting]]:
    """Groups of at most `entry_images`, each of one model, in order of arrival."""
    by_model: dict[str, list[Waiting]] = {}
    for one in waiting:
        by_model.setdefault(one.model, []).append(one)
    return [
        group[start : start + entry_images]
        for group in by_model.values()
        for start in range(0, len(group), entry_images)
    ]


class Singles:
    """No waiting time is added: a lone image is written at once, and only a write in flight lets others gather."""

    def __init__(self, enqueuer: Enqueuer, replies: Replies, entry_images: int) -> None:
        self._enqueuer = enqueuer
        self._replies = replies
        self._entry_images = entry_images
        self._gathered: list[Waiting] = []
        self._writer: asyncio.Task[None] | None = None

    async def classify(self, pixels: bytes, model: str, wait_s: float) -> tuple[Block, int, str]:
        """The block with the answer, the image's position in it, and the image's id.

        Raises QueueFull, Unavailable, or WaitTimeout after `wait_s`, when the work goes on.
        """
        loop = asyncio.get_running_loop()
        waiting = Waiting(pixels, model, loop.create_future())
        self._gathered.append(waiting)
        if self._writer is None or self._writer.done():
            self._writer = loop.create_task(self._write_gathered())
        timer = loop.call_later(wait_s, waiting.run_out, wait_s)
        try:
            block, position = await waiting.answer
        finally:
            timer.cancel()
        return block, position, waiting.id

    async def _write_gathered(self) -> None:
        while self._gathered:
            gathered = [waiting for waiting in self._gathered if not waiting.answer.done()]
            self._gathered = []
            await self._write(group_by_model(gathered, self._entry_images))

    async def _write(self, groups: list[list[Waiting]]) -> None:
        """Every group gets answered: by a worker later, or by the reason that it was not accepted."""
        accepted_us = time.time_ns() // 1000
        entries = []
        for group in groups:
            uid = new_uid()
            for position, waiting in enumerate(group):
                waiting.id = f"{uid}-{position}"
            self._replies.expect(uid, [waiting.answer for waiting in group])
            pixels = b"".join(waiting.pixels for waiting in group)
            entries.append(Entry(uid, group[0].model, pixels, accepted_us, self._replies.channel))
        refusals: list[RequestError | None]
        try:
            refusals = [*await self._enqueuer.put(entries, "interactive")]
        except RequestError as error:
            refusals = [error] * len(entries)
        except Exception as error:  # nobody foresaw it, and nobody shall wait for it in vain
            logger.exception("entries could not be written")
            refusals = [Unavailable(f"the queue failed: {error!r}")] * len(entries)
        for entry, group, refusal in zip(entries, groups, refusals, strict=True):
            if refusal is not None:
                self._replies.forget(entry.uid)
                for waiting in group:
                    if not waiting.answer.done():
                        waiting.answer.set_exception(refusal)
