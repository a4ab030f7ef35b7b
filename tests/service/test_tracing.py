"""Spans of requests and of batches, linked, from real API and worker processes to a receiver of OTLP over HTTP."""

import queue
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.api.fast.exchange import connect, read_reply, request
from tests.support.processes import BIN, Process
from tests.support.receiver import Receiver, receiving
from tests.support.registries import DEFAULT
from tests.support.system import RedisServer, System, running
from tests.support.uploads import image_file
from tests.worker.support.deliveries_of import images

pytestmark = pytest.mark.slow

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
PARENT_ID = "b7ad6b7169203331"
WAIT_S = 30

Span = tuple[str, Any]  # name of the service, and the span


@pytest.fixture(scope="module")
def collector() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def traced(redis_server: RedisServer, collector: Receiver) -> Iterator[System]:
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url(""), "OTEL_BSP_SCHEDULE_DELAY": "50"}
    with running(redis_server.new_url(), environ=environ) as system:
        yield system


def spans_until(collector: Receiver, *names: str) -> dict[str, Span]:
    """Receive spans until there is one of each name. Return the last span of each name."""
    spans: dict[str, Span] = {}
    deadline_s = time.monotonic() + WAIT_S
    while not spans.keys() >= set(names):
        try:
            received = collector.next(max(0.0, deadline_s - time.monotonic()))
        except queue.Empty:
            raise AssertionError(f"of {names} only {sorted(spans)} came") from None
        assert received.path == "/v1/traces"
        for resource in ExportTraceServiceRequest.FromString(received.body).resource_spans:
            told = {each.key: each.value.string_value for each in resource.resource.attributes}
            for scope in resource.scope_spans:
                spans |= {span.name: (told["service.name"], span) for span in scope.spans}
    return spans


def attributes(span: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes}


def links(span: Any) -> set[tuple[str, str]]:
    return {(link.trace_id.hex(), link.span_id.hex()) for link in span.links}


def test_a_requests_span_has_the_given_parent_and_a_link_from_its_batch(traced: System, collector: Receiver) -> None:
    headers = {"traceparent": f"00-{TRACE_ID}-{PARENT_ID}-01", "X-Request-ID": "mine"}
    reply = traced.http.post("/mnist/classify", content=image_file(images(1)[0]), headers=headers)
    assert reply.status_code == 200
    spans = spans_until(collector, "POST /mnist/classify", f"batch {DEFAULT.ref}")
    service, request = spans["POST /mnist/classify"]
    assert (service, request.trace_id.hex(), request.parent_span_id.hex()) == ("mnistified-api", TRACE_ID, PARENT_ID)
    told = attributes(request)
    assert (told["http.response.status_code"], told["mnistified.request_id"]) == (200, "mine")
    service, batch = spans[f"batch {DEFAULT.ref}"]
    assert (service, links(batch)) == ("mnistified-worker", {(TRACE_ID, request.span_id.hex())})
    assert batch.trace_id != request.trace_id, "the batch can hold images of several requests"
    assert (attributes(batch)["mnistified.batch.interactive"], attributes(batch)["mnistified.batch.bulk"]) == (1, 0)
    assert request.start_time_unix_nano < batch.start_time_unix_nano < batch.end_time_unix_nano
    assert batch.start_time_unix_nano < request.end_time_unix_nano


@pytest.mark.parametrize("size", [28, 40])
def test_a_span_begins_before_the_body_arrives(traced: System, collector: Receiver, size: int) -> None:
    """An image of another size than 28 by 28 leaves the fast path after its body has arrived."""
    raw = request(image_file(np.tile(images(1)[0], (2, 2))[:size, :size]))
    with connect(traced.port) as connection, connection.makefile("rb") as stream:
        connection.sendall(raw[:-1])
        for _ in range(3):  # turns of the event loop: accept, read the head, and one in reserve
            assert traced.http.get("/healthz").status_code == 200
        body_ns = time.time_ns()
        connection.sendall(raw[-1:])
        reply = read_reply(stream)
    assert ("200" in reply.status) == (size == 28), reply
    # The span of the batch is awaited too: it comes from another process, and would be taken for the next test's.
    names = ["POST /mnist/classify"] + [f"batch {DEFAULT.ref}"] * (size == 28)
    _, span = spans_until(collector, *names)["POST /mnist/classify"]
    assert span.start_time_unix_nano < body_ns < span.end_time_unix_nano


def test_the_batch_of_a_job_is_linked_to_its_upload(traced: System, collector: Receiver) -> None:
    traced.finished(traced.submit(json={"start": 0, "stop": 16}))
    spans = spans_until(collector, "POST /mnist/classify/bulk", f"batch {DEFAULT.ref}", "GET /results/{id}")
    _, upload = spans["POST /mnist/classify/bulk"]
    assert links(spans[f"batch {DEFAULT.ref}"][1]) == {(upload.trace_id.hex(), upload.span_id.hex())}


def test_an_unsampled_request_and_its_batch_have_no_span(traced: System, collector: Receiver) -> None:
    unsampled = {"traceparent": f"00-{TRACE_ID}-{PARENT_ID}-00"}
    assert traced.http.get("/mnist/classify/5", headers=unsampled).status_code == 200
    assert traced.http.get("/no/such/path").status_code == 404
    spans = spans_until(collector, "GET")
    assert "GET /mnist/classify/{index}" not in spans
    if f"batch {DEFAULT.ref}" in spans:  # the previous test's job may have two batches
        assert attributes(spans[f"batch {DEFAULT.ref}"][1])["mnistified.batch.interactive"] == 0


def test_an_unreachable_collector_delays_neither_requests_nor_the_shutdown(
    redis_server: RedisServer,
) -> None:
    with receiving() as receiver:
        gone = receiver.url("")
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": gone, "OTEL_BSP_SCHEDULE_DELAY": "50"}
    with running(redis_server.new_url(), environ=environ) as system:
        assert system.http.get("/mnist/classify/5").status_code == 200
        started_s = time.monotonic()
        system.api.stop()
        system.workers["worker-1"].stop()
        assert time.monotonic() - started_s < 20


def test_without_an_endpoint_the_sdk_is_not_imported() -> None:
    # redis-py imports the part for metrics if it is installed
    code = "import sys, api.__main__, worker.service; sys.exit('opentelemetry.sdk.trace' in sys.modules)"
    assert Process([str(BIN / "python"), "-c", code], {}).wait() == 0


def test_an_endpoint_without_the_package_is_refused_by_name() -> None:
    code = "import sys; sys.modules['opentelemetry.sdk'] = None; from api.__main__ import main; main()"
    api = Process([str(BIN / "python"), "-c", code], {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"})
    assert api.wait() == 1
    assert "OTEL_EXPORTER_OTLP_ENDPOINT needs the extra `otel`" in api.output
    assert "Traceback" not in api.output
