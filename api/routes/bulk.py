"""`POST /mnist/classify/bulk`: many images as one job."""

import reprlib
from collections.abc import AsyncIterator
from dataclasses import replace

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from api.images.decode import ReadPicture
from api.queue.classify_request import NUMBERS_PER_CHUNK, ClassifyRequest
from api.routes.accept_job import accept_job
from api.routes.fit.readers import array_reader, reader
from api.routes.parse_request import parse_bulk
from api.state import State, state_of
from api.uploads import Limits, ReadArray, ReadRange, read_upload
from api.uploads.chunk import Chunk, check_total
from api.uploads.content_encoding import encoding_of
from shared.errors import BadParameter, BadUpload, NotFound, TooLarge

MAX_SHOWN_KEYS = 5


async def classify_bulk(request: Request) -> Response:
    """Return 202 with the job's id once all of its images are in Redis."""
    state = state_of(request)
    asked = await parse_bulk(state, request)
    limits = Limits.of(state.settings)
    if asked.fit == "number":
        limits = replace(limits, chunk_images=NUMBERS_PER_CHUNK)
    check_length(request.headers.get("content-length", ""), limits.upload_bytes)
    read = reader(asked.fit, state.settings.max_fit_pixels, state.pixel_budget)
    read_array = array_reader(asked.fit)

    def read_range(body: bytes) -> AsyncIterator[Chunk]:
        chunks = range_chunks(state, *parse_range(body, len(state.test_set.images)), limits)
        return read_array(chunks) if asked.fit else chunks

    return await accept_upload(request, asked, limits, read, read_array, read_range)


async def accept_upload(
    request: Request,
    asked: ClassifyRequest,
    limits: Limits,
    read: ReadPicture,
    read_array: ReadArray,
    read_range: ReadRange | None = None,
) -> Response:
    """Store the images in the body as a job, and return 202. The last three arguments are those of `read_upload`."""
    state, headers = state_of(request), request.headers
    with state.bodies.held() as held:
        encoding, content_type = encoding_of(headers.get("content-encoding", "")), headers.get("content-type", "")
        chunks = read_upload(request.stream(), content_type, limits, read, read_array, read_range, encoding, held)
        try:
            return await accept_job(state, headers, chunks, asked)
        except ClientDisconnect:
            raise BadUpload("the client disconnected before the end of its upload") from None


def parse_range(body: bytes, count: int) -> tuple[int, int]:
    """Parse `{"start": 0, "stop": 100}`; both are optional. Raises BadUpload, BadParameter or NotFound."""
    try:
        asked = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadUpload(f"not JSON: {error}") from None
    if not isinstance(asked, dict) or not asked.keys() <= {"start", "stop"}:
        found = ", ".join(map(reprlib.repr, list(asked)[:MAX_SHOWN_KEYS])) if isinstance(asked, dict) else "no object"
        raise BadParameter(
            f'expected {{"start": 0, "stop": 100}}, a range of the test set, got {found}; '
            'images are lines of {"image": "<base64>"} with Content-Type: application/x-ndjson'
        )
    start, stop = asked.get("start", 0), asked.get("stop", count)
    for name, number in (("start", start), ("stop", stop)):
        if not isinstance(number, int) or isinstance(number, bool):
            raise BadParameter(f"{name} {reprlib.repr(number)} is not an integer")
    if not 0 <= start < stop <= count:
        raise NotFound(f"there is no range {start} to {stop}: the test set has {count} images")
    return start, stop


async def range_chunks(state: State, start: int, stop: int, limits: Limits) -> AsyncIterator[Chunk]:
    check_total(stop - start, limits.job_images)
    for first in range(start, stop, limits.chunk_images):
        images = state.test_set.images[first : min(first + limits.chunk_images, stop)]
        yield Chunk(images.tobytes(), len(images))


def check_length(content_length: str, limit_bytes: int) -> None:
    """Raise TooLarge at once if the declared length is above the limit."""
    if content_length.isdecimal() and int(content_length) > limit_bytes:
        raise TooLarge(f"a bulk body may have at most {limit_bytes} bytes, this one has {content_length}")
