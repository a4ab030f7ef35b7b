import time
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from shared.telemetry.spans import make_provider, span_context, traceparent_of
from worker.reporting.batch_report import BatchReport
from worker.reporting.batch_spans import BatchSpans

SAMPLED = [f"00-{number:032x}-{number:016x}-01" for number in (1, 2)]
UNSAMPLED = f"00-{3:032x}-{3:016x}-00"
BEGUN_S, BEGUN_NS = time.perf_counter(), time.time_ns()  # while Redis's clock said 100 s


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def provider(exporter: InMemorySpanExporter) -> Iterator[TracerProvider]:
    provider = make_provider("mnistified-worker", "worker-1@host", SimpleSpanProcessor(exporter))
    yield provider
    provider.shutdown()


def batch(*traceparents: str, reason: str = "") -> BatchReport:
    failed = int(bool(reason))
    return BatchReport("cnn@1", 64, 41, failed, 100.0, 100.5, 1.0, [], reason, (), traceparents, BEGUN_S)


def test_a_batch_is_linked_to_each_sampled_request_and_lasts_as_long_as_it_took(
    provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    BatchSpans(provider).record(batch(SAMPLED[0], UNSAMPLED, SAMPLED[1]))
    (span,) = exporter.get_finished_spans()
    assert (span.name, span.parent) == ("batch cnn@1", None)
    assert [traceparent_of(link.context) for link in span.links] == SAMPLED
    assert span.start_time
    assert span.end_time
    assert span.start_time == pytest.approx(BEGUN_NS, abs=0.1e9), "by the clock of the machine, like other spans"
    assert span.end_time - span.start_time == pytest.approx(0.5e9, abs=1000)
    assert dict(span.attributes or {}) == {
        "mnistified.model": "cnn@1",
        "mnistified.batch.interactive": 41,
        "mnistified.batch.bulk": 23,
        "mnistified.batch.failed": 0,
    }


def test_a_batch_with_images_that_failed_is_an_error_with_the_reason(
    provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    BatchSpans(provider).record(batch(SAMPLED[0], reason="the model raised"))
    (span,) = exporter.get_finished_spans()
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "the model raised")


def test_a_batch_that_nobody_traces_has_no_span(provider: TracerProvider, exporter: InMemorySpanExporter) -> None:
    BatchSpans(provider).record(batch())
    BatchSpans(provider).record(batch(UNSAMPLED))
    assert exporter.get_finished_spans() == ()


def test_a_traceparent_comes_back_as_it_was() -> None:
    assert traceparent_of(span_context(SAMPLED[1])) == SAMPLED[1]
    assert traceparent_of(span_context(UNSAMPLED)) == ""
