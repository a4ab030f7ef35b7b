"""A trace span for each request. Imported only if tracing is configured: `shared/telemetry/tracing.py`."""

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import NonRecordingSpan, Span, SpanKind, Status, StatusCode, set_span_in_context
from starlette.types import Scope

from api.http.routing import TEMPLATE
from shared.contract.entry import NO_ORIGIN, Origin
from shared.telemetry.spans import INSTRUMENTATION, span_context, traceparent_of, unix_ns


class Spans:
    """Creates the request spans of one process."""

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer(INSTRUMENTATION)

    def begin(self, scope: Scope, started_s: float) -> "RequestSpan":
        """Begin the request's span as a child of its trace parent. It is the trace parent of the request's images.

        `started_s` is when the request's head had arrived, by `time.perf_counter`.
        """
        request_id, traceparent = scope["origin"]
        parent = set_span_in_context(NonRecordingSpan(span_context(traceparent))) if traceparent else None
        attributes = {"http.request.method": scope["method"], "url.path": scope["path"]}
        span = self._tracer.start_span(
            scope["method"], parent, SpanKind.SERVER, attributes, start_time=unix_ns(started_s)
        )
        traceparent = traceparent_of(span.get_span_context())
        scope["origin"] = Origin(request_id, traceparent) if request_id or traceparent else NO_ORIGIN
        return RequestSpan(span, scope)


class RequestSpan:
    def __init__(self, span: Span, scope: Scope) -> None:
        self._span = span
        self._scope = scope

    def end(self, status: int) -> None:
        """End the span. `status` is 0 if there was no response."""
        span, scope = self._span, self._scope
        if route := scope.get(TEMPLATE):
            span.update_name(f"{scope['method']} {route}")
            span.set_attribute("http.route", route)
        span.set_attribute("mnistified.request_id", scope["request_id"])
        if status:
            span.set_attribute("http.response.status_code", status)
        if not status or status >= 500:
            span.set_status(Status(StatusCode.ERROR, scope.get("refusal")))
        span.end()
