"""Classifying one image: `POST /mnist/classify`, and an image of the test set by its index."""

import time
from typing import Any

from redis.exceptions import RedisError
from starlette.datastructures import Headers, QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.parameters import index_of, preferred_wait_s, prefers_async
from api.pictures import decode_image
from api.replying import JSON_TYPE, Json, queue_away, send_body, send_problem, to_json
from api.state import State, state_of
from api.uploads.chunk import Chunk
from shared.block import Block
from shared.errors import BadUpload, InferenceFailed, RequestError, TooLarge, WaitTimeout
from shared.images import IMAGE_BYTES


class ClassifyImage:
    """The hot route, as a bare ASGI endpoint: the framework's own wrapping costs as much as all the rest here."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started_s = time.perf_counter()
        state = state_of(scope)
        try:
            data = await read_body(receive, state.settings.max_image_bytes)
            pixels = decode_image(data)
            query_string = scope["query_string"]
            model = state.resolve(QueryParams(query_string).get("model") if query_string else None)
            headers = Headers(scope=scope)
            if prefers_async(headers):
                await (await accept_job_of_one(state, pixels, model))(scope, receive, send)
                return
            wait_s = preferred_wait_s(headers, state.settings.sync_wait_s)
            reply = await classify_pixels(state, pixels, model, wait_s, started_s)
        except RequestError as error:
            await send_problem(scope, receive, send, error)
        except RedisError as error:
            await send_problem(scope, receive, send, queue_away(error))
        else:
            await send_body(send, 200, to_json(reply), [(b"content-type", JSON_TYPE)])


async def classify_test_image(request: Request) -> Response:
    """`GET /mnist/classify/{index}` and `GET /mnist/{index}/classify`."""
    started_s = time.perf_counter()
    state = state_of(request)
    index = index_of(request.path_params["index"], len(state.test_set.images))
    pixels = state.test_set.images[index].tobytes()
    model = state.resolve(request.query_params.get("model"))
    if prefers_async(request.headers):
        return await accept_job_of_one(state, pixels, model)
    wait_s = preferred_wait_s(request.headers, state.settings.sync_wait_s)
    reply = await classify_pixels(state, pixels, model, wait_s, started_s)
    return Json(reply | {"dataset": state.test_set.name, "index": index})


async def classify_pixels(state: State, pixels: bytes, model: str, wait_s: float, started_s: float) -> dict[str, Any]:
    """The reply for one image; `started_s` is when its request came, by `time.perf_counter`."""
    state.workers.require()
    try:
        block, position, single_id = await state.singles.classify(pixels, model, wait_s)
    except WaitTimeout as error:
        await state.jobs.remember_single(error.result_id, model)
        raise
    return single_reply(block, position, single_id, (time.perf_counter() - started_s) * 1e3)


def single_reply(block: Block, position: int, single_id: str, elapsed_ms: float) -> dict[str, Any]:
    """Raises InferenceFailed when this image got no answer."""
    if position in block.faults:
        raise InferenceFailed(block.faults[position][1])
    return {
        "prediction": int(block.predictions[position]),
        "elapsed_time_ms": round(elapsed_ms, 3),
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


async def accept_job_of_one(state: State, pixels: bytes, model: str) -> Response:
    """`Prefer: respond-async`: a single asynchronous request is a job of one, in the lane of the singles."""

    async def chunks() -> Any:
        yield Chunk(pixels, len(pixels) // IMAGE_BYTES)

    job = await state.jobs.submit(chunks(), model, "interactive")
    return accepted(job.id, {"id": job.id, "state": job.state, "total": job.total, "model": job.model})


def accepted(job_id: str, content: dict[str, Any]) -> Response:
    location = f"/results/{job_id}"
    headers = {"Location": location, "Preference-Applied": "respond-async"}
    return Json(content | {"links": {"self": location, "items": f"{location}/items"}}, 202, headers)


async def read_body(receive: Receive, limit_bytes: int) -> bytes:
    """The whole body. Raises TooLarge as soon as it is, and BadUpload when the client went away before its end."""
    pieces: list[bytes] = []
    size_bytes = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BadUpload("the client went away before the end of its body")
        piece = message.get("body", b"")
        size_bytes += len(piece)
        if size_bytes > limit_bytes:
            raise TooLarge(f"an image file has at most {limit_bytes} bytes")
        pieces.append(piece)
        if not message.get("more_body", False):
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)
