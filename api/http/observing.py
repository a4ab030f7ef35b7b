"""Around every request: the id on its reply, its line in the log where it failed or was slow, its being counted, its
span where somebody traces.
"""

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.request_origin import REQUEST_ID_HEADER, begin, request_id
from api.http.responses import REASON
from api.http.route_templates import TEMPLATE
from api.metrics import NO_ROUTE, NO_STATUS, Metrics
from shared.telemetry.logs import fields

if TYPE_CHECKING:
    from api.http.request_spans import Spans

logger = logging.getLogger(__name__)

MOST_LINES = 20  # a second: where everything fails, more of them say nothing new
MOST_PATH_CHARS = 200
PROBES = frozenset({"/healthz", "/readyz"})  # whoever asks again and again notices by itself
UPLOAD_PATH = "/mnist/classify/bulk"  # takes as long as its body: the job's own lines tell how long


class Sparing:
    """Lets `most` lines through in each second."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._second = 0
        self._lines = 0

    def left_out(self) -> int | None:
        """None for a line to leave out; else how many were, since the last that was not."""
        second = int(self._clock())
        before = self._lines
        if second != self._second:
            self._second, self._lines = second, 0
        self._lines += 1
        if self._lines > self._most:
            return None
        return max(0, before - self._most) if self._lines == 1 else 0


class Observed:
    """The outermost of the application; `slow_ms` is LOG_SLOW_MS."""

    def __init__(self, app: ASGIApp, slow_ms: float, metrics: Metrics, spans: "Spans | None" = None) -> None:
        self._app = app
        self._spans = spans
        self._metrics = metrics
        self._slow_ms = slow_ms
        self._sparing = Sparing(MOST_LINES)
        self._all = logger.isEnabledFor(logging.DEBUG)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started_s = time.perf_counter()
        begin(scope)
        status = NO_STATUS
        span = self._spans.begin(scope) if self._spans else None

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (REQUEST_ID_HEADER, request_id(scope).encode())]
                took_ms = (time.perf_counter() - started_s) * 1e3
                if status >= 500 or took_ms > self._slow_ms or self._all:
                    self._log(scope, status, took_ms)
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            route = scope.get(TEMPLATE, NO_ROUTE)
            self._metrics.count_request(scope["method"], route, status, scope.get(REASON))
            if span:
                span.end(status)

    def _log(self, scope: Scope, status: int, took_ms: float) -> None:
        """`took_ms` until the reply began: what follows is read as fast as its client likes."""
        failed = status >= 500 and scope["path"] not in PROBES
        slow = took_ms > self._slow_ms and b"wait=" not in scope["query_string"] and scope["path"] != UPLOAD_PATH
        left_out = self._sparing.left_out() if failed or slow else 0
        if left_out is None or not (failed or slow or self._all):
            return
        what = "request failed" if failed else "slow request" if slow else "request"
        about = {"method": scope["method"], "path": scope["raw_path"].decode("ascii", "replace")[:MOST_PATH_CHARS]}
        about |= {"status": status, "took_ms": round(took_ms, 3)}
        if "caller" in scope and scope["caller"].name:
            about["key"] = scope["caller"].name
        if "refusal" in scope:
            about["reason"] = scope["refusal"]
        if left_out:
            about["lines_left_out"] = left_out
        logger.log(logging.WARNING if failed or slow else logging.DEBUG, what, extra=fields(**about))
