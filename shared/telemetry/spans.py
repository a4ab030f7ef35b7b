"""OpenTelemetry spans of the API and the workers. Imported only if traces are on (`shared/telemetry/tracing.py`)."""

import os
import time

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanContext, TraceFlags

INSTRUMENTATION = "mnistified"


def exporting_provider(service: str, instance: str) -> TracerProvider:
    return make_provider(service, instance, BatchSpanProcessor(OTLPSpanExporter()))


def make_provider(service: str, instance: str, processor: SpanProcessor) -> TracerProvider:
    """Make the provider of one process. OTEL_SERVICE_NAME overrides `service`, and `instance` names the process."""
    name = os.environ.get("OTEL_SERVICE_NAME") or service
    resource = Resource.create({"service.name": name, "service.instance.id": instance})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(processor)
    return provider


def unix_ns(moment_s: float) -> int:
    """Return the unix time, by this machine's clock, of a recent moment of `time.perf_counter`.

    All spans of a machine have its clock. Redis's clock, as a process estimates it, is wrong by up to half the time of
    the reply to TIME, so a batch could begin before its requests.
    """
    return time.time_ns() - int((time.perf_counter() - moment_s) * 1e9)


def span_context(traceparent: str) -> SpanContext:
    """Return the context of another process's span, from its valid W3C `traceparent`."""
    _, trace_id, span_id, flags = traceparent.split("-")
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)))


def traceparent_of(context: SpanContext) -> str:
    """Return the W3C `traceparent` of a span, or nothing if the span is not sampled."""
    if not (context.is_valid and context.trace_flags.sampled):
        return ""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
