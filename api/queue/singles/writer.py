"""The writing of single images to the queue. Images that arrive during a write are written together by the next one."""

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
from shared.contract.model_ref import ModelRef
from shared.errors import DeadlinePassed, RequestError, Unavailable, WaitTimeout
from shared.redis import keys
from shared.redis.clock import RedisClock

logger = logging.getLogger(__name__)

DISCONNECT_CHECK_S = 0.1  # after this time, a waiting request also watches whether its client disconnects


@dataclass(slots=True, eq=False)
class Waiting:
    """A request that waits for its answer. `deadline_ms` is unix time by Redis's clock.

    `id` is set once it is part of an entry, and `entry_id` once that entry is on its stream.
    """

    pixels: bytes
    request: ClassifyRequest
    answer: Answer
    deadline_ms: int = 0
    id: str = ""
    entry_id: str = ""

    def time_out(self) -> None:
        """End the wait with the error that fits, unless there is an answer."""
        if self.answer.done():
            return
        wait_s, timeout_s = self.request.wait_s, self.request.timeout_s
        if timeout_s is not None and timeout_s <= wait_s:
            self.answer.set_exception(DeadlinePassed(f"no answer within {timeout_s:g} s; the image is dropped"))
        elif self.id:
            self.answer.set_exception(
                WaitTimeout(
                    f"no answer within {wait_s:g} s; the image is still being processed", self.id, self.entry_id
                )
            )
        else:
            self.answer.set_exception(Unavailable(f"the queue accepted nothing within {wait_s:g} s", "redis"))


def group_waiting(waiting: Iterable[Waiting], entry_images: int) -> list[list[Waiting]]:
    """Group requests by model and client, in order, at most `entry_images` each. Verbose requests stay alone."""
    groups: dict[tuple[str, str, int], list[Waiting]] = {}
    for number, one in enumerate(waiting):
        separate = number if one.request.verbose else -1
        groups.setdefault((one.request.model, one.request.caller.name, separate), []).append(one)
    return [
        group[start : start + entry_images] for group in groups.values() for start in range(0, len(group), entry_images)
    ]


class Singles:
    """Writes single images and waits for their answers. Images wait only while a write is in progress."""

    def __init__(
        self,
        wires: Wires,
        enqueuer: Enqueuer,
        wakeups: Wakeups,
        metrics: Metrics,
        clock: RedisClock,
        settings: Settings,
    ) -> None:
        self._clock = clock
        self._wires = wires
        self._metrics = metrics
        self._enqueuer = enqueuer
        self._wakeups = wakeups
        self._entry_images = settings.interactive_entry_images
        self._result_ttl_s = settings.single_result_ttl_s
        detail = "{} requests wait for their answers in this process"
        self._requests = Capacity(settings.max_waiting_singles, "waiting", detail)
        self._pending: list[Waiting] = []
        self._writer: asyncio.Task[None] | None = None
        self._writer_context = contextvars.Context()  # without a request id, because the writer serves many requests

    @property
    def waiting(self) -> int:
        """Return the number of requests that wait for their answers."""
        return self._requests.in_progress

    async def require_room(self) -> None:
        """Raise QueueFull after a delay if the maximum number of requests wait. Call it before a request's work."""
        if self._requests.full:
            await self._requests.refuse_late(self._enqueuer.drain_s(self.waiting))

    async def classify(
        self, pixels: bytes, request: ClassifyRequest, disconnected: Callable[[], Awaitable[None]]
    ) -> tuple[Block, int, str]:
        """Return the block with the answer, the position of the image in it, and the id of the image.

        `disconnected` returns when the client has disconnected. Raises QueueFull, Unavailable, DeadlinePassed after
        `request.timeout_s`, and WaitTimeout after `request.wait_s`, in which case the work continues.
        """
        started_s = time.perf_counter()
        loop = asyncio.get_running_loop()
        waiting = Waiting(pixels, request, loop.create_future())
        wait_s = request.wait_s
        if request.timeout_s is not None:
            waiting.deadline_ms = self._clock.now_ms() + round(request.timeout_s * 1e3)
            wait_s = min(wait_s, request.timeout_s)
        self._pending.append(waiting)
        if self._writer is None or self._writer.done():
            self._writer = loop.create_task(self._write_pending(), context=self._writer_context)
        long_wait: asyncio.Task[None] | None = None

        def start_long_wait() -> None:
            nonlocal long_wait
            long_wait = loop.create_task(self._wait_long(waiting, wait_s - DISCONNECT_CHECK_S, disconnected))

        timer = (
            loop.call_later(wait_s, waiting.time_out)
            if wait_s <= DISCONNECT_CHECK_S
            else loop.call_later(DISCONNECT_CHECK_S, start_long_wait)
        )
        try:
            with self._requests:
                block, position = await waiting.answer
        except RequestError:
            del waiting  # breaks the reference cycle of its answer, the error in it, the traceback and this frame
            raise
        finally:
            timer.cancel()
            if long_wait is not None:
                long_wait.cancel()
        self._metrics.answered(time.perf_counter() - started_s, block.queue_ms, block.model_ms)
        return block, position, waiting.id

    async def _wait_long(self, waiting: Waiting, wait_s: float, disconnected: Callable[[], Awaitable[None]]) -> None:
        """Wait until the request times out or its client disconnects. Drop the image of a disconnected client."""
        try:
            async with asyncio.timeout(wait_s):
                await disconnected()
        except TimeoutError:
            waiting.time_out()
            return
        if waiting.id and not waiting.answer.done():
            await self._drop(waiting.id)
        if not waiting.answer.done():
            waiting.answer.set_exception(Unavailable("the client disconnected", "client_left"))

    async def _drop(self, single_id: str) -> None:
        """Mark the image as dropped for the workers, which may not have classified it yet."""
        uid, _, position = single_id.partition("-")
        dropped = keys.dropped(uid)
        try:
            await self._wires.call(("SADD", dropped, position), ("EXPIRE", dropped, self._result_ttl_s))
        except RedisError as error:
            logger.warning("an image of a disconnected client cannot be dropped: %s", error)

    async def _write_pending(self) -> None:
        while self._pending:
            pending = [waiting for waiting in self._pending if not waiting.answer.done()]
            self._pending = []
            if pending:
                await self._write(group_waiting(pending, self._entry_images))

    async def _write(self, groups: list[list[Waiting]]) -> None:
        """Write an entry per group, and fail the requests of refused entries. Workers answer the other requests."""
        entries = [self._make_entry(group) for group in groups]
        outcomes: list[str | RequestError]
        try:
            outcomes = await self._enqueuer.put(entries, "interactive")
        except RequestError as error:
            outcomes = [error] * len(entries)
        except Exception:  # an unexpected error must not leave requests waiting
            logger.exception("entries could not be written")
            outcomes = [Unavailable("the queue failed; the log has the reason", "redis")] * len(entries)
        for entry, group, outcome in zip(entries, groups, outcomes, strict=True):
            if isinstance(outcome, str):
                self._wakeups.written(entry.uid, keys.stream(ModelRef.parse(entry.model).name, "interactive"), outcome)
                for waiting in group:
                    waiting.entry_id = outcome
                continue
            self._wakeups.forget(entry.uid)
            for waiting in group:
                if not waiting.answer.done():
                    waiting.answer.set_exception(outcome)

    def _make_entry(self, group: list[Waiting]) -> Entry:
        """Return the entry of a group, and register its answers."""
        uid = new_uid()
        origins: dict[int, Origin] = {}
        for position, waiting in enumerate(group):
            waiting.id = f"{uid}-{position}"
            if waiting.request.origin is not NO_ORIGIN:
                origins[position] = waiting.request.origin
        self._wakeups.expect(uid, [waiting.answer for waiting in group])
        deadlines_ms = tuple(waiting.deadline_ms for waiting in group)
        return Entry(
            uid,
            group[0].request.model,
            b"".join(waiting.pixels for waiting in group),
            self._clock.now_us(),
            self._wakeups.channel,
            deadlines_ms=deadlines_ms if any(deadlines_ms) else (),
            client=group[0].request.caller.name,
            verbose=group[0].request.verbose,
            origins=origins,
        )
