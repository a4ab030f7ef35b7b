"""A span for each batch, linked to the spans of its requests.

It is imported only if tracing is on: `shared/telemetry/tracing.py`.
"""

from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Link, SpanKind, Status, StatusCode

from shared.telemetry.spans import INSTRUMENTATION, span_context, unix_ns
from worker.reporting.batch_report import BatchReport


class BatchSpans:
    """Writes the spans of batches. Any thread may call `record`."""

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer(INSTRUMENTATION)

    def record(self, report: BatchReport) -> None:
        """Write the span of a batch in a trace of its own, or none if no request of the batch is traced."""
        contexts = [span_context(traceparent) for traceparent in report.traceparents]
        links = [Link(context) for context in contexts if context.trace_flags.sampled]
        if not links:
            return
        attributes: dict[str, str | int] = {
            "mnistified.model": report.model,
            "mnistified.batch.interactive": report.interactive,
            "mnistified.batch.bulk": report.bulk,
            "mnistified.batch.failed": report.failed,
        }
        start_ns = unix_ns(report.started_perf_s)
        span = self._tracer.start_span(
            f"batch {report.model}",
            Context(),
            SpanKind.CONSUMER,
            attributes,
            links,
            start_time=start_ns,
        )
        if report.failed:
            span.set_status(Status(StatusCode.ERROR, report.reason))
        span.end(start_ns + int(report.took_ms * 1e6))
