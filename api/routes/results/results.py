"""`/results/{id}`: poll or wait for a result, read its items, cancel it."""

import time
from collections.abc import AsyncIterator, Sequence

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from api.http.access import caller_of
from api.http.parameters import accepts_first, integer_parameter, maps_parameter, wait_parameter
from api.http.responses import JSON_TYPE, NDJSON_TYPE, Json, to_json
from api.queue.answers.job_view import job_json
from api.routes.results.timed_out_singles import labels_of, read_single
from api.state import State, state_of
from shared.contract.job import Job
from shared.errors import BadParameter

DEFAULT_LIMIT = 1000
MAX_ITEMS = 10_000  # in one JSON response; NDJSON streams any number
MAX_PAGE_BYTES = 8 << 20  # after which a page ends: an item with the best 100 labels can have 30 KB …
MAX_PAGE_S = 5.0  # … and one of a number can take 0.1 s
ITEMS_PER_WRITE = 256


async def get_result(request: Request) -> Response:
    """Return state and counts. With `?wait=`, block until the job is final or the time is up."""
    state, caller = state_of(request), caller_of(request.scope)
    result_id = request.path_params["id"]
    wait_s = wait_parameter(request.query_params, state.settings.max_wait_s)
    if single := await read_single(state, result_id, caller):
        return Json(single[0])
    job = await (state.jobs.wait(result_id, caller, wait_s) if wait_s else state.jobs.read(result_id, caller))
    return Json(job_json(job, state.clock.now_ms()))


async def get_items(request: Request) -> Response:
    """Return results in input order, also while the job runs: JSON in pages, NDJSON as one stream."""
    state, caller = state_of(request), caller_of(request.scope)
    result_id = request.path_params["id"]
    accept = accepts_first(request.headers.get("accept", ""), (JSON_TYPE.decode(), NDJSON_TYPE))
    as_ndjson = accept == NDJSON_TYPE
    max_items = state.settings.max_job_images if as_ndjson else MAX_ITEMS
    offset = integer_parameter(request.query_params, "offset", 0, 0, state.settings.max_job_images)
    limit = integer_parameter(request.query_params, "limit", max_items if as_ndjson else DEFAULT_LIMIT, 1, max_items)
    if single := await read_single(state, result_id, caller):
        items = [single[1]][offset : offset + limit]
        if as_ndjson:
            return Response(b"".join(to_json(item) + b"\n" for item in items), media_type=NDJSON_TYPE)
        return Json({"items": items, "next": None})
    job = await state.jobs.read(result_id, caller)
    if as_ndjson and request.method == "HEAD":
        return Response(media_type=NDJSON_TYPE)
    labels = await labels_of(state, job.model, job.top)
    if as_ndjson:
        lines = _ndjson(state, job, offset, limit, labels)
        first = await anext(lines, b"")  # raises NotFound before the response begins
        return StreamingResponse(_chained(first, lines), media_type=NDJSON_TYPE)
    page = await _page(state, job, offset, limit, labels)
    end = offset + len(page)
    next_page = f"/results/{job.id}/items?offset={end}&limit={limit}" if page and end < (job.total or 0) else None
    body = b'{"items":[%b],"next":%b}\n' % (b",".join(page), to_json(next_page))
    return Response(body, media_type=JSON_TYPE.decode())


async def get_layers(request: Request) -> Response:
    """Return the layers' outputs for the image of a verbose request."""
    state, caller = state_of(request), caller_of(request.scope)
    result_id = request.path_params["id"]
    maps = maps_parameter(request.query_params)
    if not await read_single(state, result_id, caller):
        await state.jobs.read(result_id, caller)
    async with state.verbose.slot():
        return Json(await state.verbose.read(result_id, maps))


async def cancel_result(request: Request) -> Response:
    """Cancel a job: drop its queued images and keep the finished ones. A final job is returned unchanged."""
    state, caller = state_of(request), caller_of(request.scope)
    result_id = request.path_params["id"]
    if await read_single(state, result_id, caller):
        raise BadParameter(f"{result_id} is a single image that timed out; only jobs can be cancelled")
    job = await state.jobs.cancel(result_id, caller)
    return Json(job_json(job, state.clock.now_ms()))


async def _page(state: State, job: Job, offset: int, limit: int, labels: Sequence[str] | None) -> list[bytes]:
    """Return the items of a page as JSON: fewer than `limit` if they are large or take long."""
    items: list[bytes] = []
    end_s, page_bytes = time.monotonic() + MAX_PAGE_S, 0
    async for item in state.jobs.items(job, offset, limit, labels):
        items.append(to_json(item))
        page_bytes += len(items[-1])
        if page_bytes > MAX_PAGE_BYTES or time.monotonic() > end_s:
            break
    return items


async def _ndjson(
    state: State, job: Job, offset: int, limit: int, labels: Sequence[str] | None
) -> AsyncIterator[bytes]:
    lines: list[bytes] = []
    async for item in state.jobs.items(job, offset, limit, labels):
        lines.append(to_json(item))
        if len(lines) == ITEMS_PER_WRITE:
            yield b"\n".join(lines) + b"\n"
            lines = []
    if lines:
        yield b"\n".join(lines) + b"\n"


async def _chained(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for lines in rest:
        yield lines
