"""What one connection may cost: the size and the time of a head, the pauses of a body, and how many there may be."""

import asyncio
from typing import Any

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from api.http.event_streams import EventStreams
from api.http.responses import problem
from api.http.single_write import JoiningTransport, OneWriteProtocol
from api.metrics import Metrics
from shared.config.settings import Settings
from shared.errors import BadRequest, HeadTooLarge, RequestError, SlowClient, Unavailable

HEAD_BYTES = 64 << 10
HEADERS = 100
AHEAD_REQUESTS = 64  # sent before the first of them is answered
BODY_HEADERS = (b"content-length", b"transfer-encoding")
SWEEP_S = 0.5
SWEEPS_PER_TIMEOUT = 4  # at least

Stall = tuple[str, int]  # what is waited for, and a number that changes with any progress


class Bounds:
    """The bounds of one process, and the timer that all of its connections share; it rests while there are none."""

    def __init__(self, settings: Settings, event_streams: EventStreams, metrics: Metrics) -> None:
        self.event_streams = event_streams
        self.metrics = metrics
        self.max_connections = settings.max_connections
        self.head_timeout_s = settings.head_timeout_s
        self.body_timeout_s = settings.body_timeout_s
        self.sweep_s = min(SWEEP_S, min(self.head_timeout_s, self.body_timeout_s) / SWEEPS_PER_TIMEOUT)
        self._sweeping = False

    def sweep_on(self, loop: asyncio.AbstractEventLoop, connections: set[Any]) -> None:
        if not self._sweeping:
            self._sweeping = True
            loop.call_later(self.sweep_s, self._sweep, loop, connections)

    def _sweep(self, loop: asyncio.AbstractEventLoop, connections: set[Any]) -> None:
        self._sweeping = False
        if connections:
            self.sweep_on(loop, connections)
        for connection in list(connections):
            connection.end_if_stalled()


class BoundedProtocol(OneWriteProtocol):
    """HTTP on one connection, within `bounds`; what breaks them is answered and the connection closed.

    Time is counted in sweeps, never by a clock: where this process itself was late, no client pays for it.
    """

    def __init__(self, bounds: Bounds, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self.bounds = bounds
        self.part = ""  # of a request: "head" or "body" while it is under way
        self.received_bytes = 0
        self.mark_bytes = 0  # `received_bytes` when a head or a piece of a body last ended
        self.stall: Stall | None = None
        self.stalled_s = 0.0

    def connection_made(self, transport: Any) -> None:
        if len(self.connections) >= self.bounds.max_connections:
            self.transport = JoiningTransport(transport, self.loop)  # type: ignore[assignment]
            self.refuse(Unavailable(f"all of {self.bounds.max_connections} connections are in use", "connections"))
            return
        super().connection_made(transport)
        self.bounds.sweep_on(self.loop, self.connections)

    def shutdown(self) -> None:
        """The server is to stop, once every response has ended; streams of events do not by themselves."""
        self.bounds.event_streams.ending = True
        super().shutdown()

    def data_received(self, data: bytes) -> None:
        """In place of uvicorn's, whose refusals are neither problem details nor say what was wrong."""
        self.received_bytes += len(data)
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except HttpParserUpgrade as upgrade:  # to nothing that is spoken here: answered as if it had not asked
            rest = data[upgrade.args[0] :]
            if rest:
                self.received_bytes -= len(rest)
                self.data_received(rest)
            return
        except HttpParserError as error:
            self.refuse(reason_of(error))
            return
        # Neither a head nor what is around a body's pieces (trailers, chunk extensions) may go on without an end. A
        # head that begins in the middle of a read counts from the next read on.
        if self.part and (self.received_bytes - self.mark_bytes > HEAD_BYTES or len(self.headers) > HEADERS):
            self.refuse(head_too_large())

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.part = "head"

    def on_headers_complete(self) -> None:
        """What is raised here ends the parsing, and comes out of it as the context of HttpParserCallbackError."""
        fits = self.received_bytes - self.mark_bytes <= HEAD_BYTES or self._head_bytes() <= HEAD_BYTES
        if not fits or len(self.headers) > HEADERS:
            raise head_too_large()
        if len(self.pipeline) >= AHEAD_REQUESTS:
            raise BadRequest(f"more than {AHEAD_REQUESTS} requests were sent ahead of their answers")
        if self.parser.should_upgrade() and any(name in BODY_HEADERS for name, _ in self.headers):
            # The parser takes no body from such a request: what should be one would be read as the next request.
            raise BadRequest("a request with Upgrade has no body here: send it without Upgrade")
        super().on_headers_complete()
        self.headers = []  # trailers are headers to the parser: they are bounded, and no part of the request
        self.part = "body"
        self.mark_bytes = self.received_bytes

    def on_body(self, body: bytes) -> None:
        """This and the next in place of uvicorn's, which look for an upgrade every time: it pays for the marks."""
        self.mark_bytes = self.received_bytes
        cycle = self.cycle
        if not cycle.response_complete:
            cycle.body += body
            if len(cycle.body) > HIGH_WATER_LIMIT:
                self.flow.pause_reading()
            cycle.message_event.set()

    def on_message_complete(self) -> None:
        cycle = self.cycle
        if not cycle.response_complete:
            cycle.more_body = False
            cycle.message_event.set()
        self.part = ""
        self.mark_bytes = self.received_bytes

    def refuse(self, error: RequestError) -> None:
        """Answer `error` where it can still be the answer, and close. Requests before it are answered first."""
        cycle = self.cycle
        answering = cycle is not None and not cycle.response_complete
        if self.part != "body" and answering:
            cycle.keep_alive = False
            self.flow.pause_reading()
            return
        if self.part != "body" or not (self.pipeline or cycle.response_started):
            self.transport.write(reply_bytes(error))
            self.bounds.metrics.count_unparsed(error)
        if answering:
            cycle.disconnected = True
            cycle.message_event.set()
        self.transport.close()

    def end_if_stalled(self) -> None:
        """Once a sweep: give up what has made no progress for its whole timeout."""
        stall = self._stall()
        if stall is None or stall != self.stall:
            self.stall, self.stalled_s = stall, 0.0
            return
        self.stalled_s += self.bounds.sweep_s
        waits_for = stall[0]
        if self.stalled_s < (self.bounds.head_timeout_s if waits_for == "head" else self.bounds.body_timeout_s):
            return
        if waits_for == "reader":
            self.transport.abort()
        elif waits_for == "rest" or not self.part:
            self.transport.close()
        elif waits_for == "head":
            self.refuse(SlowClient(f"the head did not come whole within {self.bounds.head_timeout_s:g} s"))
        else:
            self.refuse(SlowClient(f"the body paused for more than {self.bounds.body_timeout_s:g} s"))

    def _stall(self) -> Stall | None:
        """What the client has to do next; None where it is our turn, or uvicorn's keep-alive timer runs."""
        if self.flow.write_paused or self.transport.is_closing():
            return "reader", self.transport.get_write_buffer_size()
        cycle = self.cycle
        answering = cycle is not None and not cycle.response_complete
        if self.part == "body":
            if not answering:
                return "rest", 0  # of a body that was answered before its end, and is thrown away
            ours = self.flow.read_paused or self.pipeline or cycle.waiting_for_100_continue
            return None if ours else ("body", self.mark_bytes)
        if answering or self.timeout_keep_alive_task is not None:
            return None
        return "head", self.mark_bytes

    def _head_bytes(self) -> int:
        """Of the head that is complete; four more per header for what is around name and value."""
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)


def head_too_large() -> HeadTooLarge:
    return HeadTooLarge(f"a head has at most {HEAD_BYTES} bytes and {HEADERS} headers")


def reason_of(error: HttpParserError) -> RequestError:
    """Our own refusal, or what the parser said."""
    if isinstance(error.__context__, RequestError):
        return error.__context__
    if isinstance(error, HttpParserCallbackError):
        return BadRequest("no HTTP request: its target cannot be read")
    return BadRequest(f"no HTTP request: {error}")


def reply_bytes(error: RequestError) -> bytes:
    """The whole of a last reply, for where there is no request to answer."""
    reply = problem(error)
    lines = [name + b": " + value + b"\r\n" for name, value in [*reply.raw_headers, (b"connection", b"close")]]
    return b"".join([STATUS_LINE[error.status], *lines, b"\r\n", bytes(reply.body)])
