"""A request on the fast path, which waits for its answer without a task."""

import asyncio
import time
from typing import TYPE_CHECKING, Any

import httptools

from api.fast.heads import Head
from api.queue.singles.waiting import Waiting
from shared.contract.block import Block
from shared.errors import RequestError

if TYPE_CHECKING:
    from api.fast.protocol import FastProtocol
    from api.http.request_spans import RequestSpan


class FastRequest(Waiting):
    """A request, from its head to its answer.

    It also stands in for uvicorn's object for a request and its response, `RequestResponseCycle`: `scope` and the
    attributes in the second line of `__slots__` are those that uvicorn and `LimitedProtocol` use.
    """

    __slots__ = (
        *("_scope", "head", "protocol", "queued_s", "span", "started_s"),
        *("body", "disconnected", "keep_alive", "response_complete", "response_started"),
    )

    message_event = asyncio.Event()  # nobody waits for it
    waiting_for_100_continue = False

    def __init__(self, protocol: "FastProtocol", head: Head, body: bytes = b"") -> None:
        self.started_s = self.queued_s = time.perf_counter()
        self.protocol = protocol
        self.head = head
        self.body = body
        self.origin = head.origin
        self.id = self.entry_id = ""
        self.deadline_ms = 0
        self.keep_alive = True
        self.left = self.ended = False
        self.disconnected = self.response_started = self.response_complete = False
        self.span: RequestSpan | None = None
        self._scope: dict[str, Any] | None = None

    @property
    def scope(self) -> dict[str, Any]:
        """The scope of the request as the application gets it from uvicorn, and its middleware completes it."""
        if self._scope is None:
            target = httptools.parse_url(self.head.url)
            path = target.path.decode("ascii")
            self._scope = self.protocol.new_scope(self.head.headers)
            self._scope |= {"method": "POST", "path": path, "raw_path": target.path}
            self._scope |= {"query_string": target.query or b"", "caller": self.head.meaning.caller}
            self._scope |= {"origin": self.origin, "request_id": self.origin.request_id}
        return self._scope

    def answer(self, block: Block, position: int) -> None:
        self.protocol.fast_path.answer(self, block, position)

    def fail(self, error: RequestError) -> None:
        self.protocol.fast_path.hand_over(self, error)
