"""A request on the fast path, which waits for its answer without a task."""

import asyncio
import time
from typing import TYPE_CHECKING, Any

from api.fast.heads import Meaning
from api.queue.singles.waiting import Waiting
from shared.contract.block import Block
from shared.contract.entry import Origin
from shared.errors import RequestError

if TYPE_CHECKING:
    from api.fast.protocol import FastProtocol
    from api.http.request_spans import RequestSpan


class FastRequest(Waiting):
    """A request, from its head to its answer.

    It also stands in for uvicorn's object for a request and its response, `RequestResponseCycle`: `scope` and the
    attributes that follow it below are those that uvicorn and `LimitedProtocol` use.
    """

    __slots__ = (
        *("meaning", "protocol", "queued_s", "span", "started_s", "url"),
        *("body", "disconnected", "keep_alive", "response_complete", "response_started", "scope"),
    )

    message_event = asyncio.Event()  # nobody waits for it
    waiting_for_100_continue = False

    def __init__(self, protocol: "FastProtocol", meaning: Meaning, origin: Origin) -> None:
        self.protocol = protocol
        self.meaning = meaning
        self.origin = origin
        self.url = protocol.url
        self.started_s = self.queued_s = time.perf_counter()
        self.span: RequestSpan | None = None
        self.id = self.entry_id = ""
        self.deadline_ms = 0
        self.left = self.ended = False
        self.scope: Any = protocol.scope  # without method, path and query
        self.body = b""
        self.keep_alive = True
        self.disconnected = self.response_started = self.response_complete = False

    def answer(self, block: Block, position: int) -> None:
        self.protocol.fast_path.answer(self, block, position)

    def fail(self, error: RequestError) -> None:
        self.protocol.fast_path.hand_over(self, error)
