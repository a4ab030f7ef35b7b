"""`python -m benchmarks.observed`: the CPU time of ids, logs, metrics and spans per request, in microseconds."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.observing import ObservingMiddleware, RequestLog
from api.http.request_spans import Spans
from api.metrics import Metrics
from shared.contract.entry import Entry, Origin
from shared.contract.entry.codec import encode_header
from shared.shapes import IMAGE_BYTES
from shared.telemetry.spans import make_provider

REQUESTS = 2_000
ROUNDS = 50
TRACEPARENT = f"00-{'a' * 32}-{'b' * 16}-01"
USUAL = [
    (b"host", b"127.0.0.1:5000"),
    (b"user-agent", b"some client"),
    (b"accept", b"*/*"),
    (b"content-type", b"image/png"),
    (b"content-length", b"300"),
]
ID = (b"x-request-id", b"5f0c7a52-3f6e-4a7e-9d0a-0d2a4b1f9c11")


async def reply(scope: Scope, receive: Receive, send: Send) -> None:
    """Send as much as the fast path does, and give the request an id."""
    scope["request_id"] = scope.get("request_id") or "5f4ccd1f854fef08-0"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": b"{}"})


async def receive() -> Message:
    return {"type": "http.disconnect"}


async def send(message: Message) -> None:
    pass


def us_per_request(app: ASGIApp, headers: list[tuple[bytes, bytes]]) -> float:
    async def run() -> float:
        started_s = time.thread_time()
        for _ in range(REQUESTS):
            scope: dict[str, Any] = {"type": "http", "method": "POST", "path": "/mnist/classify", "query_string": b""}
            scope |= {"raw_path": b"/mnist/classify", "headers": headers}
            await app(scope, receive, send)
        return (time.thread_time() - started_s) / REQUESTS * 1e6

    return asyncio.run(run())


def us_per_header(entry: Entry) -> float:
    started_s = time.thread_time()
    for _ in range(REQUESTS):
        encode_header(entry)
    return (time.thread_time() - started_s) / REQUESTS * 1e6


def main() -> None:
    provider = make_provider("benchmark", "1", BatchSpanProcessor(InMemorySpanExporter()))
    observed = ObservingMiddleware(reply, RequestLog(1e9), Metrics())
    traced = ObservingMiddleware(reply, RequestLog(1e9), Metrics(), Spans(provider))
    entry = Entry("5f4ccd1f854fef08", "cnn@1", bytes(IMAGE_BYTES), 1, "mnistified:reply:5f4ccd1f854fef08")
    named = Entry(
        entry.uid, entry.model, entry.pixels, 1, entry.reply, origins={0: Origin(ID[1].decode(), TRACEPARENT)}
    )
    ways: dict[str, Callable[[], float]] = {
        "bare": lambda: us_per_request(reply, USUAL),
        "brings no id": lambda: us_per_request(observed, USUAL),
        "brings an id": lambda: us_per_request(observed, [*USUAL, ID]),
        "brings a traceparent": lambda: us_per_request(observed, [*USUAL, (b"traceparent", TRACEPARENT.encode())]),
        "traced": lambda: us_per_request(traced, USUAL),
        "entry's header": lambda: us_per_header(entry),
        "entry's header with an id and a trace": lambda: us_per_header(named),
    }
    # All ways in turn. The best round counts, because other processes use the cores too.
    rounds = [{name: measure() for name, measure in ways.items()} for _ in range(ROUNDS)]
    provider.shutdown()
    for name in ways:
        print(f"{name:40} {min(each[name] for each in rounds):6.2f} µs")
    sizes = len(encode_header(entry)), len(encode_header(named))
    print(f"entry's header: {sizes[0]} bytes, with an id and a trace {sizes[1]}")


if __name__ == "__main__":
    main()
