"""The writing of single images to the queue.

Images that arrive during a write are written together by the next one, or as soon as they fill an entry.
"""

import asyncio
import contextvars
import logging
import math
import time
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any

from api.http.capacity import Capacity
from api.http.uid import new_uid
from api.metrics import Metrics
from api.queue.classify_request import ClassifyRequest
from api.queue.enqueue import Enqueuer, Outcome
from api.queue.redis_wire import Wires
from api.queue.singles.waiting_image import AwaitedImage, WaitingImage, fail_all
from api.queue.wakeups import Wakeups
from shared.config.settings import Settings
from shared.contract.block import Block
from shared.contract.entry import NO_ORIGIN, Entry, Origin, images_per_entry
from shared.errors import RequestError, Unavailable
from shared.redis import keys
from shared.redis.clock import RedisClock

logger = logging.getLogger(__name__)

SWEEP_S = 0.1
WRITE_S = 0.1  # an image is on the list for less than this time, unless Redis is away
SOON_S = 0.002  # until the next look at an image that is due and is about to be written


def group_images(images: Iterable[WaitingImage], entry_images: int) -> list[list[WaitingImage]]:
    """Group requests by model, options and client, in order. Verbose requests stay alone.

    A group has at most `entry_images`, and fewer if they are large.
    """
    groups: dict[tuple[str, str, int, int | None, float | None], list[WaitingImage]] = {}
    for number, one in enumerate(images):
        asked = one.asked
        separate = -1 if asked.maps is None else number
        key = (asked.model, asked.caller.name, separate, asked.top, asked.accept)
        groups.setdefault(key, []).append(one)
    return [part for group in groups.values() for part in _parts(group, entry_images)]


def _parts(group: list[WaitingImage], entry_images: int) -> Iterable[list[WaitingImage]]:
    size = images_per_entry(group[0].asked.spec.image_bytes, entry_images)
    return (group[start : start + size] for start in range(0, len(group), size))


class Singles:
    """Writes single images and waits for their answers. Only images that fill no entry wait for a write in progress.

    One periodic sweep ends the wait of images whose client has left or has waited long enough.
    """

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
        self.requests = Capacity(settings.max_waiting_singles, "waiting", detail)
        self._pending: list[WaitingImage] = []
        self._writing = False
        self._context = contextvars.Context()  # without a request id, because a write serves many requests
        self._sweep_timer: asyncio.TimerHandle | None = None
        self._sweep_s = math.inf  # when the timer runs, by `time.perf_counter`

    async def require_room(self) -> None:
        """Raise QueueFull after a delay if the maximum number of requests wait. Call it before a request's work."""
        if self.requests.full:
            await self.requests.refuse_late(self._enqueuer.drain_s(self.requests.in_progress))

    async def classify(
        self, pixels: bytes, asked: ClassifyRequest, disconnected: Callable[[], Awaitable[None]]
    ) -> tuple[Block, int, str]:
        """Return the block with the answer, the position of the image in it, and the id of the image.

        `disconnected` returns when the client has disconnected. Raises QueueFull, Unavailable, DeadlinePassed after
        `asked.timeout_s`, and WaitTimeout after `asked.wait_s`, in which case the work continues.
        """
        started_s = time.perf_counter()
        loop = asyncio.get_running_loop()
        image = AwaitedImage(pixels, asked)
        self.add(image, started_s)
        watch: asyncio.Task[None] | None = None

        def start_watch() -> None:
            nonlocal watch
            watch = loop.create_task(self._watch(image, disconnected))

        timer = loop.call_later(SWEEP_S, start_watch)
        try:
            with self.requests:
                block, position = await image.outcome
        except RequestError:
            del image  # breaks the reference cycle of its outcome, the error in it, the traceback and this frame
            raise
        except asyncio.CancelledError:
            image.ended = True
            raise
        finally:
            timer.cancel()
            if watch is not None:
                watch.cancel()
        self._metrics.answered((time.perf_counter() - started_s,), block.queue_ms, block.model_ms)
        return block, position, image.id

    def add(self, image: WaitingImage, now_s: float) -> None:
        """Put an image on the list for the next write, and watch how long it waits from `now_s` on."""
        asked, wait_s = image.asked, image.asked.wait_s
        if asked.timeout_s is not None:
            image.deadline_ms = self._clock.now_ms() + round(asked.timeout_s * 1e3)
            wait_s = min(wait_s, asked.timeout_s)
        image.due_s = now_s + wait_s
        self._pending.append(image)
        if len(self._pending) >= self._entry_images:
            self._write_pending()  # a worker begins while more requests are read
        elif not self._writing:
            self._writing = True
            asyncio.get_running_loop().call_soon(self._begin_write, context=self._context)
        if image.due_s < self._sweep_s:
            self._sweep_in(min(wait_s, SWEEP_S), now_s)

    async def _watch(self, image: WaitingImage, disconnected: Callable[[], Awaitable[None]]) -> None:
        await disconnected()
        image.left = True

    def _sweep_in(self, delay_s: float, now_s: float) -> None:
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()
        self._sweep_s = now_s + delay_s
        self._sweep_timer = asyncio.get_running_loop().call_later(delay_s, self._sweep, context=self._context)

    def _sweep(self) -> None:
        """End the wait of images that are due or whose client has left."""
        self._sweep_timer, self._sweep_s = None, math.inf
        now_s = time.perf_counter()
        due_s = []
        for image in (*self._pending, *self._wakeups.expected()):
            if image.ended:
                continue
            if image.left:
                self._drop(image)
            elif image.due_s > now_s:
                due_s.append(image.due_s)
            elif image.id or image.due_s + WRITE_S <= now_s:
                image.time_out()
            else:  # a client that does not wait gets the id, too
                due_s.append(now_s + SOON_S)
        if due_s:
            self._sweep_in(min(min(due_s) - now_s, SWEEP_S), now_s)

    def _drop(self, image: WaitingImage) -> None:
        """End the wait of a client that has left, and mark its image as dropped for the workers."""
        if image.id:
            uid, _, position = image.id.partition("-")
            dropped = keys.dropped(uid)
            self._wires.send((("SADD", dropped, position), ("EXPIRE", dropped, self._result_ttl_s)), log_failed_drop)
        image.fail(Unavailable("the client disconnected", "client_left"))

    def _begin_write(self) -> None:
        """Write the images of the list, or first receive more of them if requests are being answered."""
        if self.requests.in_progress > len(self._pending):
            asyncio.get_running_loop().call_soon(self._write_pending)
        else:
            self._write_pending()

    def _write_pending(self) -> None:
        """Write the images of the list, and those that arrive meanwhile afterwards."""
        pending: list[WaitingImage] = []
        for image in self._pending:
            if image.left and not image.ended:
                self._drop(image)
            if not image.ended:
                pending.append(image)
        self._pending = []
        if not pending:
            self._writing = False
            return
        try:
            groups = [pending] if len(pending) == 1 else group_images(pending, self._entry_images)
            entries = [self._make_entry(group) for group in groups]
            self._enqueuer.put(entries, "interactive", partial(self._written, entries, groups))
        except Exception:  # an unexpected error must not leave requests waiting
            logger.exception("entries could not be written")
            self._writing = False
            fail_all(pending, Unavailable("the queue failed; the log has the reason", "redis"))

    def _written(self, entries: list[Entry], groups: list[list[WaitingImage]], outcomes: list[Outcome]) -> None:
        """Fail the requests of refused entries. Workers answer the other requests."""
        for entry, group, outcome in zip(entries, groups, outcomes, strict=True):
            if isinstance(outcome, str):
                self._wakeups.written(entry.uid, entry.model, outcome)
                for image in group:
                    image.entry_id = outcome
                continue
            self._wakeups.forget(entry.uid)
            fail_all(group, outcome)
        self._write_pending()

    def _make_entry(self, group: list[WaitingImage]) -> Entry:
        """Return the entry of a group, and register its images."""
        uid = new_uid()
        pixels: list[bytes] = []
        deadlines_ms: list[int] = []
        origins: dict[int, Origin] = {}
        for position, image in enumerate(group):
            image.id = f"{uid}-{position}"
            pixels.append(image.pixels)
            image.pixels = b""  # the entry has them, and the wait may be long
            deadlines_ms.append(image.deadline_ms)
            if image.origin is not NO_ORIGIN:
                origins[position] = image.origin
        self._wakeups.expect(uid, group)
        asked = group[0].asked
        return Entry(
            uid,
            asked.model,
            b"".join(pixels),
            self._clock.now_us(),
            self._wakeups.channel,
            deadlines_ms=tuple(deadlines_ms) if any(deadlines_ms) else (),
            client=asked.caller.name,
            verbose=asked.maps is not None,
            origins=origins,
            shape=asked.spec.shape,
            top=asked.top or 0,
            accept=asked.accept,
            format=asked.entry_format,
        )


def log_failed_drop(replies: list[Any] | Exception) -> None:
    for reply in [replies] if isinstance(replies, Exception) else replies:
        if isinstance(reply, Exception):
            logger.warning("an image of a disconnected client cannot be dropped: %s", reply)
