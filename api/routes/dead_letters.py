"""`/dead-letters`: lists and replays the images on which workers died."""

import logging
import re
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from api.http.access import caller_of, require_admin
from api.http.parameters import integer_parameter
from api.http.request_origin import origin_with_id
from api.http.responses import Json
from api.queue.answers.job_view import index_of_row, manifest_of
from api.queue.classify_request import ClassifyRequest
from api.routes.accept_job import accepted
from api.routes.parse_request import spec_of_version
from api.state import State, state_of
from api.uploads.chunk import Chunk
from shared.contract.dead_letter import DEAD_LETTER_CODEC, DeadLetter
from shared.errors import ContractError, NotFound
from shared.redis import keys

logger = logging.getLogger(__name__)

DEFAULT_LIMIT = 100
MAX_LETTERS = 1000  # per response
LETTER_ID = re.compile(r"[0-9]{1,20}-[0-9]{1,20}")


async def get_dead_letters(request: Request) -> Response:
    """Return the dead letters without pixels, newest first. Requires an admin's key."""
    require_admin(caller_of(request))
    state = state_of(request)
    limit = integer_parameter(request.query_params, "limit", DEFAULT_LIMIT, 1, MAX_LETTERS)
    entries = await state.client.xrevrange(keys.DEAD_LETTERS, count=limit)
    letters = []
    for entry_id, fields in entries:
        try:
            letter = DEAD_LETTER_CODEC.decode(fields[b"h"])
        except ContractError as error:  # a newer release may have written it, and lists and replays it
            logger.warning("dead letter %s is left out: %s", entry_id.decode(), error)
            continue
        letters.append(await _letter_json(state, entry_id.decode(), letter))
    return Json({"dead_letters": letters, "total": await state.client.xlen(keys.DEAD_LETTERS)})


async def replay_dead_letter(request: Request) -> Response:
    """Turn the dead letter into a job of one image, and return 202. The image may become a dead letter again."""
    caller = caller_of(request)
    require_admin(caller)
    state = state_of(request)
    letter_id = request.path_params["id"]
    found = LETTER_ID.fullmatch(letter_id) and await state.client.xrange(keys.DEAD_LETTERS, letter_id, letter_id)
    if not found:
        raise NotFound(f"no dead letter {letter_id!r}")
    ((_, fields),) = found
    try:
        letter = DEAD_LETTER_CODEC.decode(fields[b"h"])
    except ContractError as error:
        raise NotFound(f"dead letter {letter_id!r} cannot be read by this release: {error}") from None

    async def chunks() -> AsyncIterator[Chunk]:
        yield Chunk(fields[b"x"], 1)

    spec = await spec_of_version(state, letter.model)
    asked = ClassifyRequest(
        model=letter.model,
        spec=spec,
        top=None if spec.is_mnist_shaped else 0,
        caller=caller,
        origin=origin_with_id(request.scope),
        lane="bulk",
    )
    job = await state.jobs.submit(chunks(), asked)
    await state.client.xdel(keys.DEAD_LETTERS, letter_id)
    return accepted(job)


async def _letter_json(state: State, letter_id: str, letter: DeadLetter) -> dict[str, Any]:
    """Return the JSON of a dead letter. `job` and `index` are null for a single image, `index` also for an old job."""
    index = None
    if letter.job is not None and letter.chunk is not None:
        chunk_images = await state.client.hget(keys.job(letter.job), "chunk_images")
        if chunk_images is not None:
            manifest = await state.client.hget(keys.job_manifests(letter.job), str(letter.chunk))
            index = index_of_row(letter.chunk, int(chunk_images), manifest_of(manifest), letter.position)
    return {
        "id": letter_id,
        "model": letter.model,
        "reason": letter.reason,
        "attempts": letter.attempts,
        "at_ms": letter.at_ms,
        "key": letter.client or None,
        "lane": letter.lane,
        "single": letter.single,
        "request_id": letter.request_id,
        "job": letter.job,
        "index": index,
        "links": {"replay": f"/dead-letters/{letter_id}/replay"},
    }
