"""A span for each batch, linked to those of its requests. Imported only where somebody traces:
`shared/telemetry/tracing.py`.
"""

from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Link, SpanKind, Status, StatusCode

from shared.telemetry.spans import INSTRUMENTATION, span_context
from worker.reporting.batch_report import BatchReport


class BatchSpans:
    """`tell` may be called from any thread."""

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer(INSTRUMENTATION)

    def tell(self, report: BatchReport) -> None:
        """A trace of its own, since it belongs to many; none for a batch of which no request is traced."""
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
        span = self._tracer.start_span(
            f"batch {report.model}",
            Context(),
            SpanKind.CONSUMER,
            attributes,
            links,
            start_time=int(report.started_s * 1e9),
        )
        if report.failed:
            span.set_status(Status(StatusCode.ERROR, report.reason))
        span.end(int(report.finished_s * 1e9))
