"""Classification of one image: `POST /mnist/classify`, or an image of the test set by its index."""

import time
from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType
from typing import Any, NoReturn

from redis.exceptions import RedisError
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.http.bodies import read_body
from api.http.parameters import index_of, prefers_async
from api.http.request_origin import use_result_id
from api.http.responses import JSON_TYPE, Json, json_body, send_body, send_problem
from api.images.fit.normalise import shows_row
from api.images.tiles import png_base64, png_of
from api.queue.classify_request import ClassifyRequest
from api.queue.singles.reply import FAILURE, elapsed_ms, reply_to
from api.routes.accept_job import accept_job
from api.routes.fit.numbers import classify_number, number_chunks
from api.routes.parse_request import parse_single
from api.routes.results.timed_out_singles import remember_single
from api.state import State, state_of
from api.uploads.chunk import Chunk
from api.uploads.content_encoding import encoding_of
from api.uploads.single_body import image_of_body, is_image_file
from shared.errors import RequestError, WaitTimeout
from shared.images import images_from_pixels

ADVICE = "the picture seems to show several digits: read a number with fit=number"


class ClassifyImage:
    """`POST /mnist/classify`, as a bare ASGI endpoint: the framework's wrapper would double its cost."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started_s = time.perf_counter()
        state = state_of(scope)
        try:
            if (failure := scope.get(FAILURE)) is not None:  # the fast path has waited for the answer
                await fail_single(state, scope, *failure)
            headers = Headers(scope=scope)
            as_job = prefers_async(headers)
            if not as_job:
                await state.singles.require_room()  # refuses before any work, to stay fast under overload
            with state.bodies.held() as held:
                body = await read_body(receive, state.settings.max_image_bytes, held=held)
                asked = await parse_single(state, scope, headers, as_job)
                body = await image_in(state, headers, body)
                if asked.fit == "number":
                    response = await number_response(state, headers, asked, body, scope, receive, started_s)
                    await response(scope, receive, send)
                    return
                pixels = await (state.decoder.fit(body) if asked.fit else state.decoder.decode(body))
                del body
            if as_job:
                response = await accept_single(state, headers, asked, pixels)
                await response(scope, receive, send)
                return
            reply = await classify_single(state, asked, pixels, scope, receive, started_s)
        except RequestError as error:
            await send_problem(scope, receive, send, error)
        except RedisError as error:
            await send_problem(scope, receive, send, state.health.unavailable(error))
        else:
            await send_body(send, 200, json_body(reply), [(b"content-type", JSON_TYPE)])


async def number_response(
    state: State,
    headers: Headers,
    asked: ClassifyRequest,
    body: bytes,
    scope: Scope,
    receive: Receive,
    started_s: float,
    found: Mapping[str, Any] = MappingProxyType({}),
) -> Response:
    """Return the response for the number in an image file. `found` says where the file was found, for the reply."""
    line, pixels = await state.decoder.divide(body)
    if prefers_async(headers):
        return await accept_job(state, headers, number_chunks(line, pixels), asked)
    reply = await classify_number(state, asked, line, pixels, scope, lambda: disconnected(receive), started_s)
    return Json({**reply, **found})


async def classify_test_image(request: Request) -> Response:
    """`GET /mnist/classify/{index}` and `GET /mnist/{index}/classify`."""
    started_s = time.perf_counter()
    state = state_of(request)
    index = index_of(request.path_params["index"], len(state.test_set.images))
    pixels = state.test_set.images[index].tobytes()
    as_job = prefers_async(request.headers)
    asked = await parse_single(state, request.scope, request.headers, as_job)
    if not as_job:
        await state.singles.require_room()
    if asked.fit == "number":
        body, found = png_of(state.test_set.images[index]), {"dataset": state.test_set.name, "index": index}
        scope, receive = request.scope, request.receive
        return await number_response(state, request.headers, asked, body, scope, receive, started_s, found)
    if asked.fit:
        pixels = await state.decoder.fit_pixels(pixels)
    if as_job:
        return await accept_single(state, request.headers, asked, pixels)
    reply = await classify_single(state, asked, pixels, request.scope, request.receive, started_s)
    return Json(reply | {"dataset": state.test_set.name, "index": index})


async def classify_single(
    state: State, asked: ClassifyRequest, pixels: bytes, scope: Scope, receive: Receive, started_s: float
) -> dict[str, Any]:
    """Return the reply for one image. `started_s` is when its request arrived, by `time.perf_counter`."""
    if asked.maps is None:
        reply = await _classify(state, asked, pixels, scope, receive, started_s)
    else:
        await state.verbose.require(asked.model)
        async with state.verbose.slot():
            reply = await _classify(state, asked, pixels, scope, receive, started_s)
            reply |= await state.verbose.read_or_explain(reply["id"], asked.maps)
        reply["elapsed_time_ms"] = elapsed_ms(started_s)
    if asked.fit == "digit" and reply.get("state") == "unsure" and shows_row(images_from_pixels(pixels)[0]):
        reply["advice"] = ADVICE
    if asked.show:
        reply["fitted"] = png_base64(images_from_pixels(pixels, asked.spec.shape)[0])
    return reply


async def _classify(
    state: State, asked: ClassifyRequest, pixels: bytes, scope: Scope, receive: Receive, started_s: float
) -> dict[str, Any]:
    state.workers.require(asked.formats)
    try:
        block, position, single_id = await state.singles.classify(pixels, asked, lambda: disconnected(receive))
    except WaitTimeout as error:
        await fail_single(state, scope, error, asked)
    use_result_id(scope, single_id)
    return {**reply_to(asked, block, position, single_id, elapsed_ms(started_s))}


async def fail_single(state: State, scope: Scope, error: RequestError, asked: ClassifyRequest) -> NoReturn:
    """Raise the error of an image that was queued. The id of a late one is stored, so that it can be polled."""
    if isinstance(error, WaitTimeout):
        use_result_id(scope, error.result_id)
        await remember_single(state, error.result_id, error.entry_id, asked)
    raise error


async def accept_single(state: State, headers: Headers, asked: ClassifyRequest, pixels: bytes) -> Response:
    """Accept one image as an interactive job. The layers of a verbose request are read by the job's id."""
    if asked.verbose:
        await state.verbose.require(asked.model)

    async def chunks() -> AsyncIterator[Chunk]:
        yield Chunk(pixels, 1)

    return await accept_job(state, headers, chunks(), asked)


async def disconnected(receive: Receive) -> None:
    """Return once the client has disconnected or has its whole response."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def image_in(state: State, headers: Headers, body: bytes) -> bytes:
    """Return the image file in the body, which may also be a form, JSON or compressed. Raises RequestError."""
    encoding = encoding_of(headers.get("content-encoding", ""))
    if not encoding and is_image_file(body):  # nothing to unpack or to parse
        return body
    content_type, limit_bytes = headers.get("content-type", ""), state.settings.max_image_bytes
    return await state.bodies.parse(lambda body: image_of_body(body, content_type, encoding, limit_bytes), body)
