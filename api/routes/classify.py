"""Classifying one image: `POST /mnist/classify`, and an image of the test set by its index."""

import time
from collections.abc import AsyncIterator
from typing import Any

from redis.exceptions import RedisError
from starlette.datastructures import Headers, QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.http.access import caller_of
from api.http.parameters import index_of, preferred_wait_s, prefers_async, timeout_parameter, verbose_parameter
from api.http.request_origin import origin_with_id, use_result_id
from api.http.responses import JSON_TYPE, Json, redis_unavailable, send_body, send_problem, to_json
from api.queue.job_store import JobRequest
from api.queue.singles import SingleRequest
from api.routes.accept_job import accept_job
from api.routes.fit_options import as_png, fit_parameter, show_parameter
from api.routes.results.timed_out_singles import remember_single
from api.state import State, state_of
from api.uploads.chunk import Chunk
from shared.contract.block import Block
from shared.errors import BadParameter, BadUpload, DeadlinePassed, InferenceFailed, RequestError, TooLarge, WaitTimeout

NO_QUERY = QueryParams()


class ClassifyImage:
    """The hot route, as a bare ASGI endpoint: the framework's own wrapping costs as much as all the rest here."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started_s = time.perf_counter()
        state = state_of(scope)
        try:
            headers = Headers(scope=scope)
            as_job = prefers_async(headers)
            if not as_job:
                await state.singles.require_room()  # before any work: an overload is met by refusing, not by decoding
            body = await read_body(receive, state.settings.max_image_bytes)
            beside: dict[str, str] = {}
            if scope["query_string"]:
                pixels, beside = await read_asked(state, QueryParams(scope["query_string"]), body, as_job)
            else:
                pixels = await state.decoder.decode(body)
            asked = single_request(state, scope, headers, pixels)
            if as_job:
                response = await accept_single(state, scope, headers, asked)
                await response(scope, receive, send)
                return
            reply = await classify_single(state, asked, scope, receive, started_s) | beside
        except RequestError as error:
            await send_problem(scope, receive, send, error)
        except RedisError as error:
            await send_problem(scope, receive, send, redis_unavailable(error))
        else:
            await send_body(send, 200, to_json(reply), [(b"content-type", JSON_TYPE)])


async def classify_test_image(request: Request) -> Response:
    """`GET /mnist/classify/{index}` and `GET /mnist/{index}/classify`."""
    started_s = time.perf_counter()
    state = state_of(request)
    index = index_of(request.path_params["index"], len(state.test_set.images))
    pixels = state.test_set.images[index].tobytes()
    as_job = prefers_async(request.headers)
    fit, show = fit_parameters(request.query_params, as_job)
    if fit:
        pixels = await state.decoder.fit_pixels(pixels)
    asked = single_request(state, request.scope, request.headers, pixels)
    if as_job:
        return await accept_single(state, request.scope, request.headers, asked)
    await state.singles.require_room()
    reply = await classify_single(state, asked, request.scope, request.receive, started_s) | shown(pixels, show)
    return Json(reply | {"dataset": state.test_set.name, "index": index})


async def read_asked(state: State, query: QueryParams, body: bytes, as_job: bool) -> tuple[bytes, dict[str, str]]:
    """The 784 pixels, fitted where that is asked for, and what the reply shows of them. Raises RequestError."""
    fit, show = fit_parameters(query, as_job)
    if not fit:
        return await state.decoder.decode(body), {}
    pixels = await state.decoder.fit(body)
    return pixels, shown(pixels, show)


def fit_parameters(query: QueryParams, as_job: bool) -> tuple[bool, bool]:
    """Whether to fit, and whether to show what came of it. Raises BadParameter."""
    fit, show = fit_parameter(query), show_parameter(query)
    if show and as_job:
        raise BadParameter("show=fitted is of the synchronous reply; with Prefer: respond-async there is none")
    return fit, show


def shown(pixels: bytes, show: bool) -> dict[str, str]:
    return {"fitted": as_png(pixels)} if show else {}


def single_request(state: State, scope: Scope, headers: Headers, pixels: bytes) -> SingleRequest:
    """What is asked for one image, from the query and the headers. Raises NotFound or BadParameter."""
    query_string = scope["query_string"]
    query = QueryParams(query_string) if query_string else NO_QUERY
    return SingleRequest(
        pixels=pixels,
        model=state.resolve(query.get("model")),
        caller=caller_of(scope),
        wait_s=preferred_wait_s(headers, state.settings.sync_wait_s),
        timeout_s=timeout_parameter(query, state.settings.result_ttl_s),
        maps=verbose_parameter(query),
        origin=scope["origin"],
    )


async def classify_single(
    state: State, asked: SingleRequest, scope: Scope, receive: Receive, started_s: float
) -> dict[str, Any]:
    """The reply for one image; `started_s` is when its request came, by `time.perf_counter`."""
    if asked.maps is None:
        return await _classify(state, asked, scope, receive, started_s)
    await state.verbose.require(asked.model)
    async with state.verbose.slot():
        reply = await _classify(state, asked, scope, receive, started_s)
        reply |= await state.verbose.beside(reply["id"], asked.maps)
    return reply | {"elapsed_time_ms": elapsed_ms(started_s)}


async def _classify(
    state: State, asked: SingleRequest, scope: Scope, receive: Receive, started_s: float
) -> dict[str, Any]:
    state.workers.require()
    try:
        block, position, single_id = await state.singles.classify(asked, lambda: disconnected(receive))
    except WaitTimeout as error:
        use_result_id(scope, error.result_id)
        await remember_single(state, error.result_id, asked)
        raise
    use_result_id(scope, single_id)
    return single_reply(block, position, single_id, elapsed_ms(started_s))


def elapsed_ms(started_s: float) -> float:
    return round((time.perf_counter() - started_s) * 1e3, 3)


def single_reply(block: Block, position: int, single_id: str, elapsed_time_ms: float) -> dict[str, Any]:
    """Raises DeadlinePassed or InferenceFailed when this image got no answer."""
    if position in block.faults:
        state, reason = block.faults[position]
        raise DeadlinePassed(reason) if state == "expired" else InferenceFailed(reason)
    return {
        "prediction": int(block.predictions[position]),
        "elapsed_time_ms": elapsed_time_ms,
        "model": block.model,
        "id": single_id,
        "debug": {
            "probabilities": block.probabilities[position],
            "batch_images": block.batch_images,
            "queue_ms": block.queue_ms,
            "model_ms": block.model_ms,
            "worker": block.worker,
            "attempt": block.attempt,
        },
    }


async def accept_single(state: State, scope: Scope, headers: Headers, asked: SingleRequest) -> Response:
    """`Prefer: respond-async`: a single asynchronous request is a job of one, in the lane of the singles. The layers of
    a verbose one are read by its id.
    """
    if asked.maps is not None:
        await state.verbose.require(asked.model)

    async def chunks() -> AsyncIterator[Chunk]:
        yield Chunk(asked.pixels, 1)

    wanted = JobRequest(
        model=asked.model,
        asked=QueryParams(scope["query_string"]).get("model", ""),
        lane="interactive",
        client=asked.caller.name,
        timeout_s=asked.timeout_s,
        verbose=asked.maps is not None,
        origin=origin_with_id(scope),
    )
    return await accept_job(state, asked.caller, headers, chunks(), wanted)


async def disconnected(receive: Receive) -> None:
    """Returns once the client has gone, or has its whole response."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def read_body(receive: Receive, limit_bytes: int, what: str = "an image file") -> bytes:
    """The whole body, which is `what`. Raises TooLarge as soon as it is, and BadUpload when the client went away before
    its end.
    """
    pieces: list[bytes] = []
    size_bytes = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BadUpload("the client went away before the end of its body")
        piece = message.get("body", b"")
        size_bytes += len(piece)
        if size_bytes > limit_bytes:
            raise TooLarge(f"{what} has at most {limit_bytes} bytes")
        pieces.append(piece)
        if not message.get("more_body", False):
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)
