"""Middleware around every request: adds the request id, logs failed and slow requests, counts all, and traces them."""

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.request_origin import REQUEST_ID_HEADER, begin_request, request_id
from api.http.responses import REASON, send_problem, unexpected
from api.http.routing import TEMPLATE
from api.metrics import NO_ROUTE, NO_STATUS, Metrics
from shared.telemetry.logs import fields

if TYPE_CHECKING:
    from api.http.request_spans import Spans

logger = logging.getLogger(__name__)

MAX_LINES_PER_S = 20  # if everything fails, more lines add nothing
MAX_PATH_CHARS = 200
PROBES = frozenset({"/healthz", "/readyz"})  # failed probes are not logged: the prober notices them
STARTED_S = "started_s"  # scope key of the time of arrival, and …
SPAN = "span"  # … of the span, if the fast path has begun the request
UPLOAD_SUFFIX = "/classify/bulk"  # uploads are never logged as slow: they take as long as their bodies


class LogLimiter:
    """Allows `max_lines` log lines per second."""

    def __init__(self, max_lines: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_lines = max_lines
        self._clock = clock
        self._second = 0
        self._lines = 0

    def count_line(self) -> int | None:
        """Return None if the next line must be dropped, otherwise the number of lines dropped before it."""
        second = int(self._clock())
        before = self._lines
        if second != self._second:
            self._second, self._lines = second, 0
        self._lines += 1
        if self._lines > self._max_lines:
            return None
        return max(0, before - self._max_lines) if self._lines == 1 else 0


class RequestLog:
    """Logs failed and slow requests, or all with LOG_LEVEL=debug. `slow_ms` is LOG_SLOW_MS."""

    def __init__(self, slow_ms: float) -> None:
        self._slow_ms = slow_ms
        self._limiter = LogLimiter(MAX_LINES_PER_S)
        self._logs_all = logger.isEnabledFor(logging.DEBUG)
        self.above_ms = -1.0 if self._logs_all else slow_ms  # `wants` is true above this time

    def wants(self, status: int, took_ms: float) -> bool:
        """Return whether `write` may log a request. `took_ms` ends with the response's head: the rest depends on the
        client."""
        return status >= 500 or took_ms > self.above_ms

    def write(self, scope: Scope, status: int, took_ms: float) -> None:
        """Log a request for which `wants` is true."""
        failed = status >= 500 and scope["path"] not in PROBES
        expected_fast = b"wait=" not in scope["query_string"] and not scope["path"].endswith(UPLOAD_SUFFIX)
        slow = took_ms > self._slow_ms and expected_fast
        dropped = self._limiter.count_line() if failed or slow else 0
        if dropped is None or not (failed or slow or self._logs_all):
            return
        event = "request failed" if failed else "slow request" if slow else "request"
        about = {"method": scope["method"], "path": scope["raw_path"].decode("ascii", "replace")[:MAX_PATH_CHARS]}
        about |= {"status": status, "took_ms": round(took_ms, 3)}
        if "caller" in scope and scope["caller"].name:
            about["key"] = scope["caller"].name
        if "refusal" in scope:
            about["reason"] = scope["refusal"]
        if dropped:
            about["lines_left_out"] = dropped
        logger.log(logging.WARNING if failed or slow else logging.DEBUG, event, extra=fields(**about))


class ObservingMiddleware:
    """The outermost middleware of the application."""

    def __init__(self, app: ASGIApp, log: RequestLog, metrics: Metrics, spans: "Spans | None" = None) -> None:
        self._app = app
        self._spans = spans
        self._metrics = metrics
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin_request(scope)
        started_s = scope.get(STARTED_S) or time.perf_counter()
        span = scope.get(SPAN) or (self._spans.begin(scope, started_s) if self._spans else None)
        status = NO_STATUS

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (REQUEST_ID_HEADER, request_id(scope).encode())]
                took_ms = (time.perf_counter() - started_s) * 1e3
                if self._log.wants(status, took_ms):
                    self._log.write(scope, status, took_ms)
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception as error:
            if status == NO_STATUS:
                await send_problem(scope, receive, send_with_id, unexpected(error))
            raise
        finally:
            route = scope.get(TEMPLATE, NO_ROUTE)
            self._metrics.count_request(scope["method"], route, status, scope.get(REASON))
            if span:
                span.end(status)
