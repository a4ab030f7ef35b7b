import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from starlette.types import Scope

from api.http.observing import ObservingMiddleware, RequestLog
from api.http.request_spans import Spans
from api.metrics import Metrics
from shared.contract.entry import NO_ORIGIN, Origin
from shared.telemetry.spans import make_provider
from tests.api.http.test_observing import TRACE_ID, TRACEPARENT, RespondingApp, ask


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def provider(exporter: InMemorySpanExporter) -> Iterator[TracerProvider]:
    provider = make_provider("mnistified-api", "host:1", SimpleSpanProcessor(exporter))
    yield provider
    provider.shutdown()


def traced(app: Any, provider: TracerProvider) -> ObservingMiddleware:
    return ObservingMiddleware(app, RequestLog(1e9), Metrics(), Spans(provider))


def test_a_span_has_its_route_its_status_and_the_requests_id(
    provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    app = RespondingApp(template="/results/{id}/items")
    made = ask(traced(app, provider), "/results/j1/items")["x-request-id"]
    (span,) = exporter.get_finished_spans()
    assert (span.name, span.parent) == ("GET /results/{id}/items", None)
    assert dict(span.attributes or {}) == {
        "http.request.method": "GET",
        "url.path": "/results/j1/items",
        "http.route": "/results/{id}/items",
        "http.response.status_code": 200,
        "mnistified.request_id": made,
    }
    assert span.resource.attributes["service.name"] == "mnistified-api"
    assert span.status.status_code is StatusCode.UNSET


def test_what_fails_and_what_is_never_answered_is_an_error(
    provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    async def breaking(scope: Scope, receive: Any, send: Any) -> None:
        raise ZeroDivisionError

    async def silent(scope: Scope, receive: Any, send: Any) -> None:
        raise asyncio.CancelledError

    ask(traced(RespondingApp(503, refusal="Redis is away"), provider))
    with pytest.raises(asyncio.CancelledError):
        ask(traced(silent, provider))
    with pytest.raises(ZeroDivisionError):
        ask(traced(breaking, provider))
    failed, broken, answered = exporter.get_finished_spans()
    assert (failed.status.status_code, failed.status.description) == (StatusCode.ERROR, "Redis is away")
    assert broken.status.status_code is StatusCode.ERROR
    assert "http.response.status_code" not in (broken.attributes or {})
    assert (answered.attributes or {})["http.response.status_code"] == 500


@pytest.mark.parametrize(
    ("brought", "origin"),
    [
        (NO_ORIGIN, Origin("", "new")),
        (Origin("mine"), Origin("mine", "new")),
        (Origin("mine", TRACEPARENT), Origin("mine", "child")),
        (Origin("mine", TRACEPARENT[:-1] + "0"), Origin("mine", "")),
    ],
)
def test_entries_carry_the_requests_own_span_where_it_is_sampled(
    brought: Origin, origin: Origin, provider: TracerProvider
) -> None:
    scope: Scope = {"method": "GET", "path": "/", "origin": brought, "request_id": brought.request_id}
    Spans(provider).begin(scope, time.perf_counter()).end(200)
    request_id, traceparent = scope["origin"]
    assert traceparent != TRACEPARENT
    kind = "child" if TRACE_ID in traceparent else "new" if traceparent else ""
    assert (request_id, kind) == origin


def test_a_request_of_which_nothing_is_kept_makes_no_entry_larger(provider: TracerProvider) -> None:
    unsampled = Origin("", TRACEPARENT[:-1] + "0")
    scope: Scope = {"method": "GET", "path": "/", "origin": unsampled, "request_id": ""}
    Spans(provider).begin(scope, time.perf_counter())
    assert scope["origin"] is NO_ORIGIN
