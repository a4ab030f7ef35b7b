"""Accepting a job, with a 202 and its id, once or again for the same `Idempotency-Key`."""

from collections.abc import AsyncIterator

from starlette.datastructures import Headers
from starlette.responses import Response

from api.http.responses import Json
from api.queue.answers.replies import Accepted
from api.queue.classify_request import ClassifyRequest
from api.queue.jobs.idempotency import Claim, claim_key
from api.queue.jobs.store import new_job_id
from api.state import State
from api.uploads.chunk import Chunk
from shared.config.api_keys import ApiKey
from shared.contract.entry import THRESHOLD_OF_CARD
from shared.contract.job import Job
from shared.errors import BadParameter, Conflict, StillUploading


async def accept_job(state: State, headers: Headers, chunks: AsyncIterator[Chunk], asked: ClassifyRequest) -> Response:
    """Store the whole upload, unless an earlier request with the same `Idempotency-Key` has stored it.

    Raises BadParameter for several keys, Conflict if the key belongs to another upload, and the errors of `chunks` and
    `JobStore.submit`.
    """
    idempotency_keys = headers.getlist("idempotency-key")
    if not idempotency_keys:
        return accepted(await state.jobs.submit(chunks, asked))
    if len(idempotency_keys) > 1:
        raise BadParameter(f"expected one Idempotency-Key header, got {len(idempotency_keys)}")
    kind = f"{asked.model_query} {asked.callback_url}{' verbose' if asked.verbose else ''}"
    if asked.accept is not None and not (asked.fit and asked.accept == THRESHOLD_OF_CARD):
        kind += f" accept={asked.accept}"
    if asked.top is not None:
        kind += f" top={asked.top}"
    if asked.fit == "number":
        kind += f" number {asked.roster.strings if asked.roster else ''}"
    claim = await claim_key(state.client, asked.caller.name, idempotency_keys[0], new_job_id(), kind)
    if not claim.holder:
        return accepted(await state.jobs.submit(claim.watch(chunks), asked, claim))
    return accepted(await _existing_job(state, asked.caller, chunks, claim))


async def _existing_job(state: State, caller: ApiKey, chunks: AsyncIterator[Chunk], claim: Claim) -> Job:
    if not claim.held_fingerprint:
        raise StillUploading("the first upload with this Idempotency-Key is still in progress")
    async for _ in claim.watch(chunks):
        pass
    if claim.fingerprint != claim.held_fingerprint:
        raise Conflict("this Idempotency-Key belongs to an upload with other images, or for another `model`")
    return await state.jobs.read(claim.holder, caller)


def accepted(job: Job) -> Response:
    location = f"/results/{job.id}"
    content: Accepted = {
        "id": job.id,
        "state": job.state,
        "total": job.total,
        "model": job.model,
        "links": {"self": location, "items": f"{location}/items"},
    }
    return Json(content, 202, {"Location": location, "Preference-Applied": "respond-async"})
