"""The HTTP protocol of a connection, whose requests take the fast path if they can.

The invariants of the fast path:

1. A request that the fast path does not recognize takes the general path, the ASGI application. `FastProtocol.leave` is
   the only fork before a request is queued, and it leaves everything as if there were no fast path.
2. The fast path only responds with 200. If a queued request fails, the application gets it together with its error, and
   responds, logs and counts as always (`FastPath.hand_over`). Therefore all errors are the same on both paths.
3. A connection has one request on the fast path. Requests that are pipelined behind it take the general path.
4. A request ends once: `ended` is set before anything is sent. A later answer is ignored. It cannot reach the next
   request of the connection, which is another object.
5. There is no task, future or timer per request. The writer of `api/queue/singles/` puts the images of both paths into
   the same entries, the callback of the message with a block sends its responses, and one sweep ends requests that have
   waited long enough or whose client has left.
6. Nothing blocks: images that could take long to decode take the general path.
"""

from asyncio import Event
from typing import Any, cast

from uvicorn._types import HTTPScope
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from api.fast.heads import HEAD_END
from api.fast.path import FAST_PATH, FastPath
from api.fast.request import FastRequest
from api.http.connections.limits import LimitedProtocol
from api.http.observing import STARTED_S
from shared.errors import RequestError


class FastProtocol(LimitedProtocol):
    """HTTP on one connection. `cycle` is a FastRequest while a request is received or waits on the fast path."""

    fast_path: FastPath
    cycle: Any  # a FastRequest or uvicorn's RequestResponseCycle
    waiting: FastRequest | None = None  # the queued request
    first_read = b""  # the bytes that are being parsed, if they are the first of a request

    def connection_made(self, transport: Any) -> None:
        self.fast_path = self.app_state[FAST_PATH]
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Queue the image of a request whose head is known and whose body is complete. Let the parser read all others.

        Skipping the parser is safe between requests: equal heads mean the same.
        """
        if self.part or not self._is_idle():
            super().data_received(data)
            return
        end = data.find(HEAD_END) + len(HEAD_END)
        head = self.fast_path.heads.known.get(data[:end])
        if head is not None and len(data) == end + head.length:
            request = FastRequest(self, head, data[end:])
            if self.fast_path.take(request):
                self.received_bytes += len(data)
                self.mark_bytes = self.received_bytes
                self.cycle = self.waiting = request
                return
        self.first_read = data
        super().data_received(data)
        self.first_read = b""

    def begin_request(self) -> None:
        """Begin a request whose head is complete on the fast path, if its head is plain."""
        parser = self.parser
        if (
            self._is_idle()
            and parser.get_method() == b"POST"
            and parser.should_keep_alive()
            and parser.get_http_version() == "1.1"
            and (head := self.fast_path.heads.read(self.url, self.headers)) is not None
        ):
            self.cycle = FastRequest(self, head)
        else:
            super().begin_request()

    def on_message_complete(self) -> None:
        """Queue the image of a fast request, or let the application read the body."""
        request = self._receiving()
        if request is None:
            super().on_message_complete()
        elif self.fast_path.take(request):
            self.waiting = request
            self.part = ""
            self.mark_bytes = self.received_bytes
            self.fast_path.heads.remember(self.first_read, request.head)
        else:
            self.leave(request)
            super().on_message_complete()

    def leave(self, request: FastRequest) -> None:
        """Let the application serve a request that is being received."""
        self.cycle = None
        super().begin_request()
        self.cycle.scope[STARTED_S] = request.started_s
        self.cycle.body += request.body

    def respond(self, request: FastRequest, response: bytes) -> None:
        """Send the whole response to a request, unless its client has left."""
        self.waiting = None
        request.response_started = request.response_complete = True
        self.transport.write_response(response)  # type: ignore[attr-defined]
        if not request.keep_alive:
            self.transport.close()
        if self.pipeline or self.flow.read_paused:
            self.on_response_complete()
        else:  # the only other effect of `on_response_complete` is this counter
            self.server_state.total_requests += 1

    def start_application(self, request: FastRequest) -> None:
        """Let the application respond to a request that was queued. Its scope is complete."""
        self.waiting = None
        cycle = RequestResponseCycle(
            scope=cast(HTTPScope, request.scope),
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=Event(),
            expect_100_continue=False,
            keep_alive=request.keep_alive,
            on_response=self.on_response_complete,
        )
        cycle.disconnected = request.left
        if self.cycle is request:
            self.cycle = cycle
        self._start_asgi_task(cycle, self.app)

    def refuse(self, error: RequestError) -> None:
        if (request := self._receiving()) is not None:
            self.leave(request)
        super().refuse(error)

    def connection_lost(self, exc: Exception | None) -> None:
        if (request := self._receiving()) is not None:
            self.leave(request)
        if self.waiting is not None:
            self.waiting.left = True  # the next sweep ends it
        super().connection_lost(exc)

    def new_scope(self, headers: list[tuple[bytes, bytes]]) -> dict[str, Any]:
        """Return what is the same in the scopes of all requests of this connection, as uvicorn writes it."""
        return {
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "http_version": "1.1",
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,
            "root_path": self.root_path,
            "headers": headers,
            "state": self.app_state.copy(),
        }

    def _is_idle(self) -> bool:
        """Return whether all requests have their responses, and the client reads them."""
        return (self.cycle is None or self.cycle.response_complete) and not self.flow.write_paused

    def _receiving(self) -> FastRequest | None:
        """Return the fast request whose body is being received, if there is one."""
        return self.cycle if self.part == "body" and isinstance(self.cycle, FastRequest) else None
