"""The middleware around a request: its id and its log line."""

import asyncio
import logging
from collections.abc import Iterator
from contextvars import copy_context
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from api.http.observing import MAX_LINES_PER_S, LogLimiter, ObservingMiddleware, RequestLog
from api.http.request_origin import current_request_fields, origin_of_headers, origin_with_id, request_id, use_result_id
from api.metrics import Metrics
from shared.config.api_keys import ApiKey
from shared.contract.entry import NO_ORIGIN, Origin

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE_ID}-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    ("headers", "origin"),
    [
        ([], NO_ORIGIN),
        ([("accept", "*/*"), ("x-request-id", "a-1.b_2~c:d+e/f=g@h")], Origin("a-1.b_2~c:d+e/f=g@h")),
        ([("x-request-id", "x" * 128)], Origin("x" * 128)),
        ([("x-request-id", "x" * 129)], NO_ORIGIN),
        ([("x-request-id", "")], NO_ORIGIN),
        ([("x-request-id", "a b")], NO_ORIGIN),
        ([("x-request-id", 'a"b')], NO_ORIGIN),
        ([("x-request-id", "é")], NO_ORIGIN),
        ([("x-request-id", "first"), ("x-request-id", "second")], Origin("first")),
        ([("traceparent", TRACEPARENT)], Origin(TRACE_ID, TRACEPARENT)),
        ([("traceparent", TRACEPARENT), ("x-request-id", "mine")], Origin("mine", TRACEPARENT)),
        ([("traceparent", TRACEPARENT), ("x-request-id", "a b")], Origin(TRACE_ID, TRACEPARENT)),
        ([("traceparent", TRACEPARENT.upper())], NO_ORIGIN),
        ([("traceparent", TRACEPARENT + "-more")], NO_ORIGIN),
        ([("traceparent", TRACEPARENT.replace(TRACE_ID, "0" * 32))], NO_ORIGIN),
        ([("traceparent", "garbage"), ("x-request-id", "mine")], Origin("mine")),
    ],
)
def test_only_well_formed_ids_and_trace_parents_count(headers: list[tuple[str, str]], origin: Origin) -> None:
    brought = origin_of_headers([(name.encode(), value.encode("latin-1")) for name, value in headers])
    assert brought == origin
    assert (brought is NO_ORIGIN) == (origin == NO_ORIGIN), "entries go by identity"


class RespondingApp:
    """An application that responds with a status and records the log fields of the current request."""

    def __init__(self, status: int = 200, **scope: Any) -> None:
        self.status = status
        self.more = scope
        self.seen: list[dict[str, Any]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.seen.append(current_request_fields())
        scope.update(self.more)
        await send({"type": "http.response.start", "status": self.status, "headers": [(b"a", b"b")]})
        await send({"type": "http.response.body", "body": b""})


def ask(app: Any, path: str = "/status", headers: dict[str, str] | None = None, query: bytes = b"") -> dict[str, str]:
    """Send a request and return the response's headers."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": query}
    scope["headers"] = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    copy_context().run(asyncio.run, app(scope, receive, send))
    return {name.decode(): value.decode() for name, value in sent[0]["headers"]}


def test_the_response_and_the_log_lines_have_the_requests_id() -> None:
    app = RespondingApp()
    assert ask(ObservingMiddleware(app, RequestLog(1e9), Metrics()), headers={"x-request-id": "mine"}) == {
        "a": "b",
        "x-request-id": "mine",
    }
    assert (
        ask(ObservingMiddleware(app, RequestLog(1e9), Metrics()), headers={"traceparent": TRACEPARENT})["x-request-id"]
        == TRACE_ID
    )
    assert app.seen == [{"request_id": "mine"}, {"request_id": TRACE_ID, "trace_id": TRACE_ID}]


def test_a_request_without_an_id_gets_one_for_response_and_log() -> None:
    app = RespondingApp()
    ids = [ask(ObservingMiddleware(app, RequestLog(1e9), Metrics()))["x-request-id"] for _ in range(2)]
    assert app.seen == [{"request_id": made} for made in ids]
    assert ids[0] != ids[1]


def test_outside_of_a_request_there_are_no_fields() -> None:
    assert current_request_fields() == {}


def test_a_request_without_an_id_uses_that_of_its_result() -> None:
    scope: Scope = {"request_id": "", "origin": NO_ORIGIN}
    use_result_id(scope, "ab12-0")
    assert request_id(scope) == "ab12-0"
    use_result_id(scope, "ab12-1")
    assert request_id(scope) == "ab12-0"
    assert origin_with_id(scope) == Origin("ab12-0")


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """The messages and fields logged at `info` or above."""
    logged: list[tuple[str, dict[str, Any]]] = []

    class Recorder(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            logged.append((record.getMessage(), vars(record)["fields"]))

    caplog.set_level(logging.INFO, "api.http.observing")
    handler = Recorder()
    logging.getLogger("api.http.observing").addHandler(handler)
    yield logged
    logging.getLogger("api.http.observing").removeHandler(handler)


Logged = list[tuple[str, dict[str, Any]]]


def test_a_failed_request_is_logged_with_its_reason_and_key_name_but_without_its_query(logged: Logged) -> None:
    app = RespondingApp(503, refusal="Redis is down", caller=ApiKey("alice", "digest"))
    ask(ObservingMiddleware(app, RequestLog(1e9), Metrics()), "/mnist/classify", query=b"callback_url=secret")
    ((message, fields),) = logged
    assert fields.pop("took_ms") >= 0
    assert message == "request failed"
    expected = {"method": "GET", "path": "/mnist/classify", "status": 503, "key": "alice", "reason": "Redis is down"}
    assert fields == expected


def test_a_slow_request_is_logged_unless_it_waits_or_uploads(logged: Logged) -> None:
    slow = ObservingMiddleware(RespondingApp(), RequestLog(-1), Metrics())
    ask(slow, "/results/j1", query=b"wait=30")
    for route in ("/mnist", "/models/cnn", "/models/cnn@3"):
        ask(slow, f"{route}/classify/bulk")
    assert logged == []
    ask(slow, "/results/j1")
    assert [message for message, _ in logged] == ["slow request"]


def test_successes_client_errors_and_failed_probes_are_not_logged(logged: Logged) -> None:
    for status in (200, 400, 404, 429):
        ask(ObservingMiddleware(RespondingApp(status), RequestLog(1e9), Metrics()))
    ask(ObservingMiddleware(RespondingApp(503), RequestLog(1e9), Metrics()), "/readyz")
    assert logged == []


def test_every_request_is_logged_at_debug(logged: Logged, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "api.http.observing")
    ask(ObservingMiddleware(RespondingApp(404), RequestLog(1e9), Metrics()), "/x" * 500)
    ((message, fields),) = logged
    assert (message, fields["status"], len(fields["path"])) == ("request", 404, 200)


def test_a_flood_of_failures_is_a_few_lines_per_second(logged: Logged) -> None:
    app = ObservingMiddleware(RespondingApp(503), RequestLog(1e9), Metrics())
    for _ in range(5 * MAX_LINES_PER_S):
        ask(app)
    assert MAX_LINES_PER_S <= len(logged) <= 4 * MAX_LINES_PER_S, "it took some seconds at most"


def test_the_next_line_has_the_number_of_dropped_lines() -> None:
    now_s = 100.0
    limiter = LogLimiter(2, lambda: now_s)
    assert [limiter.count_line() for _ in range(5)] == [0, 0, None, None, None]
    now_s = 101.9
    assert [limiter.count_line() for _ in range(2)] == [3, 0]
    now_s = 105.0
    assert limiter.count_line() == 0
