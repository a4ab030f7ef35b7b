"""Numbers, as `?fit=number` finds them: the picture becomes a job of one item, for which the request waits."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from starlette.types import Scope

from api.http.request_origin import use_result_id
from api.queue.classify_request import ClassifyRequest
from api.queue.singles.reply import elapsed_ms
from api.state import State
from api.uploads.chunk import Chunk
from shared.contract.job import Job, NumberLine
from shared.errors import DeadlinePassed, InferenceFailed, Unavailable, WaitTimeout

Disconnected = Callable[[], Coroutine[Any, Any, None]]


async def number_chunks(line: NumberLine, pixels: bytes) -> AsyncIterator[Chunk]:
    """Yield the chunk of one picture."""
    yield Chunk(pixels, 1, numbers=(line,))


async def classify_number(
    state: State,
    asked: ClassifyRequest,
    line: NumberLine,
    pixels: bytes,
    scope: Scope,
    disconnected: Disconnected,
    started_s: float,
) -> dict[str, Any]:
    """Return the reply for the number in one picture. A request that times out can be polled like any job.

    Raises the errors of `JobStore.submit`, WaitTimeout, DeadlinePassed and InferenceFailed.
    """
    state.workers.require(asked.formats)
    with state.singles.requests:
        job = await state.jobs.submit(number_chunks(line, pixels), asked)
        use_result_id(scope, job.id)
        wait_s = asked.wait_s if asked.timeout_s is None else min(asked.wait_s, asked.timeout_s + 1)
        job = await _finished(state, job, asked, wait_s, disconnected)
    if job.finished_ms is None:
        raise WaitTimeout(f"no answer within {wait_s:g} s; the number is still being processed", job.id)
    (item,) = [item async for item in state.jobs.items(job, 0, 1)]
    if item["state"] not in ("done", "unsure"):
        raise (DeadlinePassed if item["state"] == "expired" else InferenceFailed)(item["error"] or job.state)
    number = {name: item[name] for name in ("text", "state", "confidence", "confident", "digits", "guesses")}
    return number | {"elapsed_time_ms": elapsed_ms(started_s), "model": job.model, "id": job.id}


async def _finished(state: State, job: Job, asked: ClassifyRequest, wait_s: float, disconnected: Disconnected) -> Job:
    """Return the job once it is final, or after `wait_s`. Cancels it if the client disconnects."""
    answer = asyncio.ensure_future(state.jobs.wait(job.id, asked.caller, wait_s))
    leaving = asyncio.ensure_future(disconnected())
    try:
        await asyncio.wait((answer, leaving), return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            return answer.result()
        await state.jobs.cancel(job.id, asked.caller)
        raise Unavailable("the client disconnected", "client_left")
    finally:
        answer.cancel()
        leaving.cancel()
