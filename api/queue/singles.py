"""Single images on their way to the queue: whatever arrives while the last write is in flight leaves together."""

import asyncio
import contextvars
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from redis.exceptions import RedisError

from api.http.capacity import Capacity
from api.http.uid import new_uid
from api.metrics import Metrics
from api.queue.classify_request import ClassifyRequest
from api.queue.enqueue import Enqueuer
from api.queue.redis_wire import Wires
from api.queue.wakeups import Answer, Wakeups
from shared.config.settings import Settings
from shared.contract.block import Block
from shared.contract.entry import NO_ORIGIN, Entry, Origin
from shared.errors import DeadlinePassed, RequestError, Unavailable, WaitTimeout
from shared.redis import keys

logger = logging.getLogger(__name__)

LISTEN_AFTER_S = 0.1  # a request that waits for longer is listened to, whether its client is still there


@dataclass(slots=True, eq=False)
class Waiting:
    """A request that waits for its answer. `id` is given once it is part of an entry; times are unix time."""

    pixels: bytes
    asked: ClassifyRequest
    answer: Answer
    deadline_ms: int = 0
    id: str = ""

    def run_out(self) -> None:
        """The wait is over without an answer."""
        if self.answer.done():
            return
        wait_s, timeout_s = self.asked.wait_s, self.asked.timeout_s
        if timeout_s is not None and timeout_s <= wait_s:
            self.answer.set_exception(DeadlinePassed(f"no answer within {timeout_s:g} s; the image is dropped"))
        elif self.id:
            self.answer.set_exception(WaitTimeout(f"no answer within {wait_s:g} s; the work goes on", self.id))
        else:
            self.answer.set_exception(Unavailable(f"the queue took nothing within {wait_s:g} s", "redis"))


def group_waiting(waiting: Iterable[Waiting], entry_images: int) -> list[list[Waiting]]:
    """Groups of at most `entry_images`, of one model and one client each, in order of arrival; verbose ones alone."""
    groups: dict[tuple[str, str, int], list[Waiting]] = {}
    for number, one in enumerate(waiting):
        alone = number if one.asked.verbose else -1
        groups.setdefault((one.asked.model, one.asked.caller.name, alone), []).append(one)
    return [
        group[start : start + entry_images] for group in groups.values() for start in range(0, len(group), entry_images)
    ]


class Singles:
    """No waiting time is added: a lone image is written at once, and only a write in flight lets others gather."""

    def __init__(
        self, wires: Wires, enqueuer: Enqueuer, wakeups: Wakeups, metrics: Metrics, settings: Settings
    ) -> None:
        self._wires = wires
        self._metrics = metrics
        self._enqueuer = enqueuer
        self._wakeups = wakeups
        self._entry_images = settings.interactive_entry_images
        self._result_ttl_s = settings.single_result_ttl_s
        detail = "{} requests wait for their answers in this process"
        self._requests = Capacity(settings.max_waiting_singles, "waiting", detail)
        self._gathered: list[Waiting] = []
        self._writer: asyncio.Task[None] | None = None
        self._nobodys = contextvars.Context()  # the writer is of many requests: what it logs is about none of them

    @property
    def waiting(self) -> int:
        """Return the number of requests that wait for their answers."""
        return self._requests.in_progress

    async def require_room(self) -> None:
        """Raise QueueFull after a delay if the maximum number of requests wait. Call it before a request's work."""
        if self._requests.full:
            await self._requests.refuse_late(self._enqueuer.drain_s(self.waiting))

    async def classify(
        self, pixels: bytes, asked: ClassifyRequest, gone: Callable[[], Awaitable[None]]
    ) -> tuple[Block, int, str]:
        """The block with the answer, the image's position in it, and its id. `gone` returns when the client has.

        Raises QueueFull, Unavailable, DeadlinePassed after `asked.timeout_s`, or WaitTimeout after `asked.wait_s`, when
        the work goes on.
        """
        started_s = time.perf_counter()
        loop = asyncio.get_running_loop()
        waiting = Waiting(pixels, asked, loop.create_future())
        wait_s = asked.wait_s
        if asked.timeout_s is not None:
            waiting.deadline_ms = int((time.time() + asked.timeout_s) * 1e3)
            wait_s = min(wait_s, asked.timeout_s)
        self._gathered.append(waiting)
        if self._writer is None or self._writer.done():
            self._writer = loop.create_task(self._write_gathered(), context=self._nobodys)
        long_wait: asyncio.Task[None] | None = None

        def wait_on() -> None:
            nonlocal long_wait
            long_wait = loop.create_task(self._wait_on(waiting, wait_s - LISTEN_AFTER_S, gone))

        timer = (
            loop.call_later(wait_s, waiting.run_out)
            if wait_s <= LISTEN_AFTER_S
            else loop.call_later(LISTEN_AFTER_S, wait_on)
        )
        try:
            with self._requests:
                block, position = await waiting.answer
        except RequestError:
            del waiting  # its answer holds the error, whose traceback holds this frame: a cycle, with the image in it
            raise
        finally:
            timer.cancel()
            if long_wait is not None:
                long_wait.cancel()
        self._metrics.answered(time.perf_counter() - started_s, block.queue_ms, block.model_ms)
        return block, position, waiting.id

    async def _wait_on(self, waiting: Waiting, wait_s: float, gone: Callable[[], Awaitable[None]]) -> None:
        """Until the wait runs out, or the client goes away: then nobody needs the answer."""
        try:
            async with asyncio.timeout(wait_s):
                await gone()
        except TimeoutError:
            waiting.run_out()
            return
        if waiting.id and not waiting.answer.done():
            await self._drop(waiting.id)
        if not waiting.answer.done():
            waiting.answer.set_exception(Unavailable("the client went away", "client_left"))

    async def _drop(self, single_id: str) -> None:
        """Tell the workers, who may not have come to the image yet."""
        uid, _, position = single_id.partition("-")
        dropped = keys.dropped(uid)
        try:
            await self._wires.call(("SADD", dropped, position), ("EXPIRE", dropped, self._result_ttl_s))
        except RedisError as error:
            logger.warning("an image that nobody waits for any more will be run: %s", error)

    async def _write_gathered(self) -> None:
        while self._gathered:
            gathered = [waiting for waiting in self._gathered if not waiting.answer.done()]
            self._gathered = []
            if gathered:
                await self._write(group_waiting(gathered, self._entry_images))

    async def _write(self, groups: list[list[Waiting]]) -> None:
        """Every group gets answered: by a worker later, or by the reason that it was not accepted."""
        entries = [self._make_entry(group) for group in groups]
        refusals: list[RequestError | None]
        try:
            refusals = [*await self._enqueuer.put(entries, "interactive")]
        except RequestError as error:
            refusals = [error] * len(entries)
        except Exception as error:  # nobody foresaw it, and nobody shall wait for it in vain
            logger.exception("entries could not be written")
            refusals = [Unavailable(f"the queue failed: {error!r}", "redis")] * len(entries)
        for entry, group, refusal in zip(entries, groups, refusals, strict=True):
            if refusal is not None:
                self._wakeups.forget(entry.uid)
                for waiting in group:
                    if not waiting.answer.done():
                        waiting.answer.set_exception(refusal)

    def _make_entry(self, group: list[Waiting]) -> Entry:
        """The entry of a group, with its answers expected."""
        uid = new_uid()
        origins: dict[int, Origin] = {}
        for position, waiting in enumerate(group):
            waiting.id = f"{uid}-{position}"
            if waiting.asked.origin is not NO_ORIGIN:
                origins[position] = waiting.asked.origin
        self._wakeups.expect(uid, [waiting.answer for waiting in group])
        deadlines_ms = tuple(waiting.deadline_ms for waiting in group)
        return Entry(
            uid,
            group[0].asked.model,
            b"".join(waiting.pixels for waiting in group),
            time.time_ns() // 1000,
            self._wakeups.channel,
            deadlines_ms=deadlines_ms if any(deadlines_ms) else (),
            client=group[0].asked.caller.name,
            verbose=group[0].asked.verbose,
            origins=origins,
        )
