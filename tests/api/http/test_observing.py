"""Around a request: its id that comes in and goes out, and its line in the log."""

import asyncio
import logging
from collections.abc import Iterator
from contextvars import copy_context
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from api.http.observing import MOST_LINES, Observed, Sparing
from api.http.request_origin import about_request, brought_origin, go_by, name_origin, request_id
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
def test_what_a_request_brings_counts_where_it_is_sane(headers: list[tuple[str, str]], origin: Origin) -> None:
    brought = brought_origin([(name.encode(), value.encode("latin-1")) for name, value in headers])
    assert brought == origin
    assert (brought is NO_ORIGIN) == (origin == NO_ORIGIN), "entries go by identity"


class Replying:
    """An application that answers with a status, and keeps what it was told."""

    def __init__(self, status: int = 200, **scope: Any) -> None:
        self.status = status
        self.more = scope
        self.seen: list[dict[str, Any]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.seen.append(about_request())
        scope.update(self.more)
        await send({"type": "http.response.start", "status": self.status, "headers": [(b"a", b"b")]})
        await send({"type": "http.response.body", "body": b""})


def ask(app: Any, path: str = "/status", headers: dict[str, str] | None = None, query: bytes = b"") -> dict[str, str]:
    """The reply's headers."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": query}
    scope["headers"] = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    copy_context().run(asyncio.run, app(scope, receive, send))
    return {name.decode(): value.decode() for name, value in sent[0]["headers"]}


def test_a_reply_has_the_id_that_came_and_what_is_logged_meanwhile_has_it_too() -> None:
    app = Replying()
    assert ask(Observed(app, 1e9, Metrics()), headers={"x-request-id": "mine"}) == {"a": "b", "x-request-id": "mine"}
    assert ask(Observed(app, 1e9, Metrics()), headers={"traceparent": TRACEPARENT})["x-request-id"] == TRACE_ID
    assert app.seen == [{"request_id": "mine"}, {"request_id": TRACE_ID, "trace_id": TRACE_ID}]


def test_without_an_id_one_is_made_and_it_is_the_same_everywhere() -> None:
    app = Replying()
    ids = [ask(Observed(app, 1e9, Metrics()))["x-request-id"] for _ in range(2)]
    assert app.seen == [{"request_id": made} for made in ids]
    assert ids[0] != ids[1]


def test_outside_of_a_request_nothing_is_about_one() -> None:
    assert about_request() == {}


def test_a_request_without_an_id_goes_by_that_of_its_result() -> None:
    scope: Scope = {"request_id": "", "origin": NO_ORIGIN}
    go_by(scope, "ab12-0")
    assert request_id(scope) == "ab12-0"
    go_by(scope, "ab12-1")
    assert request_id(scope) == "ab12-0"
    assert name_origin(scope) == Origin("ab12-0")


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """Messages and fields, as they are logged at `info`."""
    told: list[tuple[str, dict[str, Any]]] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append((record.getMessage(), vars(record)["fields"]))

    caplog.set_level(logging.INFO, "api.http.observing")
    handler = Keeping()
    logging.getLogger("api.http.observing").addHandler(handler)
    yield told
    logging.getLogger("api.http.observing").removeHandler(handler)


Told = list[tuple[str, dict[str, Any]]]


def test_what_fails_is_logged_with_its_reason_and_whose_key_it_had_but_not_with_its_query(told: Told) -> None:
    app = Replying(503, refusal="Redis is away", caller=ApiKey("alice", "digest"))
    ask(Observed(app, 1e9, Metrics()), "/mnist/classify", query=b"callback_url=secret")
    ((message, fields),) = told
    assert fields.pop("took_ms") >= 0
    assert message == "request failed"
    expected = {"method": "GET", "path": "/mnist/classify", "status": 503, "key": "alice", "reason": "Redis is away"}
    assert fields == expected


def test_what_is_slow_is_logged_but_not_what_was_asked_to_wait_or_to_take_an_upload(told: Told) -> None:
    slow = Observed(Replying(), -1, Metrics())
    ask(slow, "/results/j1", query=b"wait=30")
    ask(slow, "/mnist/classify/bulk")
    assert told == []
    ask(slow, "/results/j1")
    assert [message for message, _ in told] == ["slow request"]


def test_what_goes_well_and_what_clients_do_wrong_is_not_logged_nor_a_probe_that_fails(told: Told) -> None:
    for status in (200, 400, 404, 429):
        ask(Observed(Replying(status), 1e9, Metrics()))
    ask(Observed(Replying(503), 1e9, Metrics()), "/readyz")
    assert told == []


def test_every_request_is_logged_at_debug(told: Told, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "api.http.observing")
    ask(Observed(Replying(404), 1e9, Metrics()), "/x" * 500)
    ((message, fields),) = told
    assert (message, fields["status"], len(fields["path"])) == ("request", 404, 200)


def test_a_flood_of_failures_is_a_few_lines_a_second(told: Told) -> None:
    app = Observed(Replying(503), 1e9, Metrics())
    for _ in range(5 * MOST_LINES):
        ask(app)
    assert MOST_LINES <= len(told) <= 4 * MOST_LINES, "it took some seconds at most"


def test_lines_that_were_left_out_are_counted_by_the_next() -> None:
    now_s = 100.0
    sparing = Sparing(2, lambda: now_s)
    assert [sparing.left_out() for _ in range(5)] == [0, 0, None, None, None]
    now_s = 101.9
    assert [sparing.left_out() for _ in range(2)] == [3, 0]
    now_s = 105.0
    assert sparing.left_out() == 0
