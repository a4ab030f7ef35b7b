"""Limits on connections: their number, the size and duration of a request head, and the pauses of a body."""

import asyncio
from typing import Any

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from api.http.capacity import EventStreams
from api.http.connections.half_close import await_response
from api.http.connections.old_versions import serve_old_version
from api.http.connections.single_write import JoiningTransport, OneWriteProtocol
from api.http.connections.upgrades import head_without_upgrade, new_parser
from api.http.responses import problem
from api.metrics import Metrics
from shared.config.settings import Settings
from shared.errors import BadRequest, HeadTooLarge, RequestError, SlowClient, Unavailable

MAX_HEAD_BYTES = 64 << 10
MAX_HEADERS = 100
MAX_PIPELINED_REQUESTS = 64  # sent before the first of them has its response
SWEEP_S = 0.5
MIN_SWEEPS_PER_TIMEOUT = 4

Stall = tuple[str, int]  # the step that the client has to take, and a number that changes with any progress


class ConnectionLimits:
    """The limits of one process, and the timer that its connections share. It runs only while there are connections."""

    def __init__(self, settings: Settings, event_streams: EventStreams, metrics: Metrics) -> None:
        self.event_streams = event_streams
        self.metrics = metrics
        self.max_connections = settings.max_connections
        self.head_timeout_s = settings.head_timeout_s
        self.body_timeout_s = settings.body_timeout_s
        self.sweep_s = min(SWEEP_S, min(self.head_timeout_s, self.body_timeout_s) / MIN_SWEEPS_PER_TIMEOUT)
        self._sweeping = False

    def schedule_sweep(self, loop: asyncio.AbstractEventLoop, connections: set[Any]) -> None:
        if not self._sweeping:
            self._sweeping = True
            loop.call_later(self.sweep_s, self._sweep, loop, connections)

    def _sweep(self, loop: asyncio.AbstractEventLoop, connections: set[Any]) -> None:
        self._sweeping = False
        if connections:
            self.schedule_sweep(loop, connections)
        for connection in list(connections):
            connection.end_if_stalled()


class LimitedProtocol(OneWriteProtocol):
    """HTTP on one connection, within `limits`. A request over a limit gets an error, and the connection closes.

    Time is counted in sweeps and not by a clock, so that no client times out because this process was late.
    """

    def __init__(self, limits: ConnectionLimits, **uvicorn_options: Any) -> None:
        super().__init__(**uvicorn_options)
        self.limits = limits
        self.part = ""  # the part of a request that is being received: "head", "body", or none
        self.received_bytes = 0
        self.mark_bytes = 0  # `received_bytes` at the last progress: the end of a head or of a piece of a body
        self.stall: Stall | None = None
        self.stalled_s = 0.0

    def connection_made(self, transport: Any) -> None:
        if len(self.connections) >= self.limits.max_connections:
            self.transport = JoiningTransport(transport, self.loop)  # type: ignore[assignment]
            self.refuse(Unavailable(f"all {self.limits.max_connections} connections are in use", "connections"))
            return
        super().connection_made(transport)
        self.limits.schedule_sweep(self.loop, self.connections)

    def shutdown(self) -> None:
        """Stop after the last response. Event streams end now, because they would never end by themselves."""
        self.limits.event_streams.ending = True
        super().shutdown()

    def data_received(self, data: bytes) -> None:
        """Replace uvicorn's method, whose errors are not problem details and do not name the fault."""
        self.received_bytes += len(data)
        while data:
            try:
                self.parser.feed_data(data)
                break
            except HttpParserUpgrade as upgrade:
                data = head_without_upgrade(self) + data[upgrade.args[0] :]
                self.parser = new_parser(self)
            except HttpParserError as error:
                self.refuse(request_error_of(error))
                return
        # Limit the head and what surrounds the pieces of a body (trailers, chunk extensions). A head that begins in
        # the middle of a read counts from the next read on.
        if self.part and (self.received_bytes - self.mark_bytes > MAX_HEAD_BYTES or len(self.headers) > MAX_HEADERS):
            self.refuse(head_too_large())

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.part = "head"

    def on_headers_complete(self) -> None:
        """Check the head. The parser reports an error raised here as the context of an HttpParserCallbackError."""
        fits = self.received_bytes - self.mark_bytes <= MAX_HEAD_BYTES or self._head_bytes() <= MAX_HEAD_BYTES
        if not fits or len(self.headers) > MAX_HEADERS:
            raise head_too_large()
        hosts = sum(name == b"host" for name, _ in self.headers)
        if hosts != 1 and (hosts or self.parser.get_http_version() == "1.1"):
            raise BadRequest(f"expected one Host header, as HTTP/1.1 requires, got {hosts or 'none'}")
        if len(self.pipeline) >= MAX_PIPELINED_REQUESTS:
            raise BadRequest(f"more than {MAX_PIPELINED_REQUESTS} requests were pipelined")
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                raise BadRequest("CONNECT is not supported: this server is no proxy")
            return  # the parser ends the request here, and `data_received` repeats its head without the upgrade
        self.begin_request()
        self.headers = []  # the parser reports trailers as headers: they are limited, and not part of the request
        self.part = "body"
        self.mark_bytes = self.received_bytes

    def begin_request(self) -> None:
        """Call the application for the request whose head is complete. Its body may still arrive."""
        super().on_headers_complete()
        if self.scope["http_version"] != "1.1":
            serve_old_version(self.cycle)

    def on_body(self, body: bytes) -> None:
        """Replace uvicorn's method, as does the next one. uvicorn's checks for an upgrade cost more than this."""
        self.mark_bytes = self.received_bytes
        cycle = self.cycle
        if not cycle.response_complete:
            cycle.body += body
            if len(cycle.body) > HIGH_WATER_LIMIT:
                self.flow.pause_reading()
            cycle.message_event.set()

    def on_message_complete(self) -> None:
        if self.part == "head":  # the request has an upgrade, and its head will be repeated
            return
        cycle = self.cycle
        if not cycle.response_complete:
            cycle.more_body = False
            cycle.message_event.set()
        self.part = ""
        self.mark_bytes = self.received_bytes

    def on_response_complete(self) -> None:
        """Replace uvicorn's method, which would set a timer after each response: the sweep ends idle connections."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())

    def eof_received(self) -> bool:  # type: ignore[override]
        """Keep a connection whose client only stopped sending, until its requests have their responses."""
        cycle = self.cycle
        answering = cycle is not None and not cycle.response_complete
        if self.part == "body" or (self.part and not answering):
            self.refuse(BadRequest(f"the client stopped sending before the end of the request's {self.part}"))
        elif answering:
            cycle.keep_alive = False
            await_response(self)
            return True
        return False

    def refuse(self, error: RequestError) -> None:
        """Send `error` unless another response has begun, and close. Earlier requests get their responses first."""
        cycle = self.cycle
        answering = cycle is not None and not cycle.response_complete
        if self.part != "body" and answering:
            cycle.keep_alive = False
            self.flow.pause_reading()
            return
        if self.part != "body" or not (self.pipeline or cycle.response_started):
            self.transport.write(response_bytes(error))
            self.limits.metrics.count_unparsed(error)
        if answering:
            cycle.disconnected = True
            cycle.message_event.set()
        self.transport.close()

    def end_if_stalled(self) -> None:
        """End the connection if it has made no progress for its whole timeout. Called in every sweep."""
        stall = self._stall()
        if stall is None or stall != self.stall:
            self.stall, self.stalled_s = stall, 0.0
            return
        self.stalled_s += self.limits.sweep_s
        step = stall[0]
        if self.stalled_s < self._timeout_s(step):
            return
        if step == "reader":
            self.transport.abort()
        elif step in ("rest", "request") or not self.part:
            self.transport.close()
        elif step == "head":
            self.refuse(SlowClient(f"the request head was not complete within {self.limits.head_timeout_s:g} s"))
        else:
            self.refuse(SlowClient(f"the body paused for more than {self.limits.body_timeout_s:g} s"))

    def _timeout_s(self, step: str) -> float:
        if step == "request":
            return self.timeout_keep_alive
        return self.limits.head_timeout_s if step == "head" else self.limits.body_timeout_s

    def _stall(self) -> Stall | None:
        """Return the client's next step, or None if it is the server's turn."""
        if self.flow.write_paused or self.transport.is_closing():
            return "reader", self.transport.get_write_buffer_size()
        cycle = self.cycle
        answering = cycle is not None and not cycle.response_complete
        if self.part == "body":
            if not answering:
                return "rest", 0  # the rest of a body whose response is complete; it is discarded
            servers_turn = self.flow.read_paused or self.pipeline or cycle.waiting_for_100_continue
            return None if servers_turn else ("body", self.mark_bytes)
        if answering:
            return None
        return "request" if cycle is not None and not self.part else "head", self.mark_bytes

    def _head_bytes(self) -> int:
        """Return the size of the complete head, with 4 bytes per header for colon, space and line end."""
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)


def head_too_large() -> HeadTooLarge:
    return HeadTooLarge(f"a request head may have at most {MAX_HEAD_BYTES} bytes and {MAX_HEADERS} headers")


def request_error_of(error: HttpParserError) -> RequestError:
    """Return the RequestError raised in a callback, or the parser's own message as one."""
    if isinstance(error.__context__, RequestError):
        return error.__context__
    if isinstance(error, HttpParserCallbackError):
        return BadRequest("not an HTTP request: its target cannot be parsed")
    return BadRequest(f"not an HTTP request: {error}")


def response_bytes(error: RequestError) -> bytes:
    """Return a whole error response that closes the connection, for bytes that never became a request."""
    response = problem(error)
    lines = [name + b": " + value + b"\r\n" for name, value in [*response.raw_headers, (b"connection", b"close")]]
    return b"".join([STATUS_LINE[error.status], *lines, b"\r\n", bytes(response.body)])
