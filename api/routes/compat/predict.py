"""Classification for the compatibility APIs, through the same queue, lanes and limits as all other requests."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import numpy as np
from starlette.types import Receive

from api.queue.classify_request import ClassifyRequest
from api.routes.classify import disconnected
from api.state import State
from api.uploads.chunk import Chunk
from shared.contract.entry import images_per_entry
from shared.errors import DeadlinePassed, InferenceFailed, TooLarge, WaitTimeout
from shared.images import Images, Probabilities

MAX_VALUES = 1 << 20  # probabilities in one response: those of 104,857 images of digits


async def predict(state: State, images: Images, asked: ClassifyRequest, receive: Receive) -> Probabilities:
    """Classify images in the shape of the version, and return float32[N,K]. Blocks for `asked.wait_s` at most.

    Of many labels, the probabilities of all but the best are 0.

    Images that fit into one entry are sent as single images, more become a job. These protocols have one response for
    all images: if one image fails, InferenceFailed or DeadlinePassed is raised. Also raises QueueFull, Unavailable and
    WaitTimeout, and TooLarge for a response of more than MAX_VALUES probabilities.
    """
    max_images = max(1, MAX_VALUES // len(asked.spec.labels))
    if len(images) > max_images:
        raise TooLarge(
            f"the response to {len(images)} images would have {len(asked.spec.labels)} probabilities for each: "
            f"send up to {max_images} images, or use /models/{asked.model}/classify/bulk"
        )
    state.workers.require(asked.formats)
    if len(images) <= images_per_entry(asked.spec.image_bytes, state.settings.interactive_entry_images):
        return await _as_singles(state, images, asked, receive)
    return await _as_job(state, images, asked)


async def _as_singles(state: State, images: Images, asked: ClassifyRequest, receive: Receive) -> Probabilities:
    await state.singles.require_room()
    gone = asyncio.ensure_future(disconnected(receive))  # shared, because `receive` reports the end only once

    async def one(pixels: bytes) -> np.ndarray:
        block, position, _ = await state.singles.classify(pixels, asked, lambda: asyncio.shield(gone))
        if position in block.faults:
            raise _error_of(*block.faults[position])
        return block.all_probabilities(position)

    try:
        return np.stack(await asyncio.gather(*(one(image.tobytes()) for image in images)))
    finally:
        gone.cancel()


async def _as_job(state: State, images: Images, asked: ClassifyRequest) -> Probabilities:
    size = images_per_entry(asked.spec.image_bytes, state.settings.bulk_entry_images)

    async def chunks() -> AsyncIterator[Chunk]:
        for start in range(0, len(images), size):
            part = images[start : start + size]
            yield Chunk(part.tobytes(), len(part))

    asked = replace(asked, lane="bulk", timeout_s=asked.timeout_s or asked.wait_s)
    started_s = time.monotonic()
    job = await state.jobs.submit(chunks(), asked)
    job = await state.jobs.wait(job.id, asked.caller, asked.wait_s - (time.monotonic() - started_s))
    if job.finished_ms is None:
        raise WaitTimeout(f"no result within {asked.wait_s:g} s; the image is still being processed", job.id)
    probabilities = np.zeros((len(images), len(asked.spec.labels)), np.float32)
    async for item in state.jobs.items(job, 0, len(images), asked.spec.labels):
        if item["prediction"] is None:
            raise _error_of(item["state"], item["error"] or f"image {item['index']} is {item['state']}")
        row = probabilities[item["index"]]
        if item["probabilities"] is not None:
            row[:] = item["probabilities"]
        else:
            for best in item["best"]:
                row[best["prediction"]] = best["probability"]
    return probabilities


def _error_of(state: str, reason: str) -> DeadlinePassed | InferenceFailed:
    return DeadlinePassed(reason) if state == "expired" else InferenceFailed(reason)
