"""A request on the fast path, which waits for its answer without a task."""

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import httptools

from api.fast.heads import Head
from api.queue.singles.waiting_image import WaitingImage
from shared.contract.block import Block
from shared.errors import RequestError

if TYPE_CHECKING:
    from api.fast.protocol import FastProtocol
    from api.http.request_spans import RequestSpan


class FastRequest(WaitingImage):
    """A request, from its head to its answer.

    It also stands in for uvicorn's object for a request and its response, `RequestResponseCycle`: `scope` and the
    second group of attributes are those that uvicorn and `LimitedProtocol` use.
    """

    queued_s: float
    span: "RequestSpan | None" = None
    _scope: dict[str, Any] | None = None

    disconnected = False
    keep_alive = True
    response_started = False
    response_complete = False
    message_event = asyncio.Event()  # nobody waits for it
    waiting_for_100_continue = False

    def __init__(self, protocol: "FastProtocol", head: Head, body: bytes = b"") -> None:
        self.started_s = time.perf_counter()
        self.protocol = protocol
        self.head = head
        self.body = body
        self.origin = head.origin

    @property
    def scope(self) -> dict[str, Any]:
        """The scope of the request, with what uvicorn and the outer middleware would have put into it."""
        if self._scope is None:
            target = httptools.parse_url(self.head.url)
            path = target.path.decode("ascii")
            self._scope = self.protocol.new_scope(self.head.headers)
            self._scope |= {"method": "POST", "path": path, "raw_path": target.path}
            self._scope |= {"query_string": target.query or b"", "caller": self.head.meaning.caller}
            self._scope |= {"origin": self.origin, "request_id": self.origin.request_id}
        return self._scope

    @classmethod
    def answer_all(cls, block: Block, images: Sequence[tuple[int, Self]]) -> None:
        images[0][1].protocol.fast_path.answer_all(block, images)

    def fail(self, error: RequestError) -> None:
        self.protocol.fast_path.hand_over(self, error)
