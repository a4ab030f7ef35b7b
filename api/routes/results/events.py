"""`GET /results/{id}/events`: the progress of a job as server-sent events (html.spec.whatwg.org, 9.2)."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass

from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from api.http.access import caller_of
from api.http.capacity import EventStreams
from api.http.connections.half_close import HALF_CLOSED
from api.http.responses import to_json
from api.queue.answers.job_view import job_json
from api.queue.answers.replies import Job
from api.routes.results.event_ranges import numbers_of, runs_of, runs_text
from api.routes.results.timed_out_singles import read_single
from api.state import State, state_of
from shared.config.api_keys import ApiKey
from shared.errors import BadParameter, RequestError
from shared.redis import keys

logger = logging.getLogger(__name__)

END_ID = "end"  # id of the last event
TICK_S = 0.1  # between two polls of a job with progress; doubles after each poll without progress …
SLOW_TICK_S = 1.0  # … up to this
HEARTBEAT_S = 10.0  # after this time without events a comment is sent, so that proxies keep the connection
HALF_CLOSED_HEARTBEAT_S = 0.5  # the same for a client that has stopped sending: only a write reveals that it is gone
MAX_STREAM_S = 900.0  # afterwards the client reconnects and continues after its last event
RECONNECT_MS = 1000
MAX_RUNS = 1000  # in an event's id, which the client returns as a header; with more, some items may be sent twice
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
EVENT_STREAM_TYPE = "text/event-stream"
HEARTBEAT = b": still there\n\n"


@dataclass(frozen=True, slots=True)
class Progress:
    """The JSON of a result, and the numbers of its finished `chunks`, which have `chunk_images` images each."""

    content: Job
    final: bool
    chunks: frozenset[int]
    chunk_images: int

    @property
    def chunk_count(self) -> int:
        return -(-(self.content["total"] or 0) // self.chunk_images)


class EventStream(StreamingResponse):
    """A response that counts as an open event stream until it ends."""

    def __init__(self, content: AsyncIterator[bytes], event_streams: EventStreams) -> None:
        super().__init__(content, headers=HEADERS, media_type=EVENT_STREAM_TYPE)
        self._event_streams = event_streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._event_streams.capacity.slot():
            await super().__call__(scope, receive, send)


async def get_events(request: Request) -> Response:
    """Stream the progress after `Last-Event-ID`, then the final state; after that, 204 ends a browser's retries."""
    state, caller, result_id = state_of(request), caller_of(request.scope), request.path_params["id"]

    async def read() -> Progress:
        return await read_progress(state, result_id, caller)

    last_id = request.headers.get("last-event-id", "")
    now = await read()
    if last_id == END_ID:
        return Response(status_code=204)
    try:
        sent = numbers_of(last_id, now.chunk_count)
    except ValueError as error:
        raise BadParameter(f"Last-Event-ID is not an id of these events: {error}") from None
    if request.method == "HEAD":
        return Response(headers=HEADERS, media_type=EVENT_STREAM_TYPE)

    def heartbeat_s() -> float:
        return HALF_CLOSED_HEARTBEAT_S if request.scope.get(HALF_CLOSED) else HEARTBEAT_S

    async def events() -> AsyncIterator[bytes]:
        with state.wakeups.job_end(result_id) as ended:
            async for event in follow(read, sent, ended, state.event_streams, heartbeat_s):
                yield event

    return EventStream(events(), state.event_streams)


async def follow(
    read: Callable[[], Awaitable[Progress]],
    sent: set[int],
    ended: asyncio.Event,
    event_streams: EventStreams,
    heartbeat_s: Callable[[], float] = lambda: HEARTBEAT_S,
) -> AsyncIterator[bytes]:
    """Yield events until the job is final. `sent` are the chunks that the client knows. `ended` wakes the loop up.

    Continues when Redis is back. A RequestError of `read` ends the stream, because the result no longer exists.
    """
    yield b"retry: %d\n\n" % RECONNECT_MS
    started_s = sent_s = time.monotonic()
    tick_s, counts = TICK_S, None
    while not event_streams.ending and time.monotonic() - started_s < MAX_STREAM_S:
        ended.clear()
        tick_s = min(2 * tick_s, SLOW_TICK_S)
        try:
            now = await read()
        except RequestError:
            return
        except (RedisError, OSError) as error:
            logger.warning("progress cannot be read: %s", error)
        else:
            if now.final:
                yield event("final", END_ID, now, set(range(now.chunk_count)) - sent)
                return
            if now.content["counts"] != counts:
                tick_s, counts, sent_s = TICK_S, now.content["counts"], time.monotonic()
                fresh = now.chunks - sent
                sent = sent | fresh
                yield event("progress", runs_text(sent, MAX_RUNS), now, fresh)
        if time.monotonic() - sent_s >= heartbeat_s():
            sent_s = time.monotonic()
            yield HEARTBEAT
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), tick_s)


def event(name: str, event_id: str, now: Progress, fresh: Iterable[int]) -> bytes:
    """Encode an event. Its `new_items` are [start, stop] of each run of items in the `fresh` chunks."""
    size, total = now.chunk_images, now.content["total"] or 0
    new_items = [[first * size, min(stop * size, total)] for first, stop in runs_of(fresh)]
    return b"event: %b\nid: %b\ndata: %b\n\n" % (
        name.encode(),
        event_id.encode(),
        to_json(now.content | {"new_items": new_items}),
    )


async def read_progress(state: State, result_id: str, caller: ApiKey) -> Progress:
    """Read the progress of a result. Raises NotFound and Redis errors."""
    if single := await read_single(state, result_id, caller):
        final = single[1]["state"] != "queued"
        return Progress(single[0], final, frozenset({0} if final else ()), 1)
    job = await state.jobs.read(result_id, caller)
    chunks = await state.client.hkeys(keys.job_blocks(job.id)) if job.finished else ()
    content = job_json(job, state.clock.now_ms())
    return Progress(content, job.finished_ms is not None, frozenset(map(int, chunks)), job.chunk_images)
