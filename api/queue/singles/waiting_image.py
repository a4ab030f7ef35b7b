"""A single image that waits for its answer."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, Self

from api.queue.classify_request import ClassifyRequest
from shared.contract.block import Block
from shared.contract.entry import Origin
from shared.errors import DeadlinePassed, RequestError, Unavailable, WaitTimeout


class WaitingImage(ABC):
    """A single image that waits for its answer: in a task (`AwaitedImage`), or without one (`api/fast/`).

    `deadline_ms` is unix time by Redis's clock, or 0. `due_s` is the time of `time.perf_counter` until which the client
    waits. `id` is set once the image is part of an entry, and `entry_id` once that entry is on its stream. `left` says
    that the client has disconnected. `ended` says that nobody waits any more. `answer_all` and `fail` set `ended`, and
    must not be called after that.
    """

    pixels: bytes
    asked: ClassifyRequest
    origin: Origin
    due_s: float
    deadline_ms = 0
    id = ""
    entry_id = ""
    left = False
    ended = False

    @classmethod
    @abstractmethod
    def answer_all(cls, block: Block, images: Sequence[tuple[int, Self]]) -> None:
        """End the wait of images of this class with the block that has their results at these positions."""

    @abstractmethod
    def fail(self, error: RequestError) -> None:
        """End the wait without a result."""

    def time_out(self) -> None:
        """End the wait with the error that fits."""
        wait_s, timeout_s = self.asked.wait_s, self.asked.timeout_s
        if timeout_s is not None and timeout_s <= wait_s:
            self.fail(DeadlinePassed(f"no answer within {timeout_s:g} s; the image is dropped"))
        elif self.id:
            late = f"no answer within {wait_s:g} s; the image is still being processed"
            self.fail(WaitTimeout(late, self.id, self.entry_id))
        else:
            self.fail(Unavailable(f"the queue accepted nothing within {wait_s:g} s", "redis"))


def answer_all(images: Iterable[WaitingImage], block: Block) -> None:
    """End the wait of all images for which somebody still waits. They are in the order of the block's results."""
    waiting: dict[type[WaitingImage], list[tuple[int, Any]]] = {}
    for position, image in enumerate(images):
        if not image.ended:
            waiting.setdefault(type(image), []).append((position, image))
    for kind, of_kind in waiting.items():
        kind.answer_all(block, of_kind)


def fail_all(images: Iterable[WaitingImage], error: RequestError) -> None:
    """End the wait of all images for which somebody still waits."""
    for image in images:
        if not image.ended:
            image.fail(error)


class AwaitedImage(WaitingImage):
    """An image for which a task waits. `outcome` is the block and the position of the image in it."""

    def __init__(self, pixels: bytes, asked: ClassifyRequest) -> None:
        self.pixels = pixels
        self.asked = asked
        self.origin = asked.origin
        self.outcome: asyncio.Future[tuple[Block, int]] = asyncio.get_running_loop().create_future()

    @classmethod
    def answer_all(cls, block: Block, images: Sequence[tuple[int, Self]]) -> None:
        for position, image in images:
            image.ended = True
            if not image.outcome.done():  # the task may have been cancelled
                image.outcome.set_result((block, position))

    def fail(self, error: RequestError) -> None:
        self.ended = True
        if not self.outcome.done():
            self.outcome.set_exception(error)
