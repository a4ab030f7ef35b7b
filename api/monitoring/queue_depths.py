"""The length and age of the queue by model and lane. An entry stays on its stream until it is finished."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from redis.exceptions import RedisError

from shared.contract.heartbeat import LiveWorker
from shared.contract.lane import LANES, Lane
from shared.redis import keys
from shared.redis.clients import AsyncClient
from shared.redis.errors import passes
from shared.redis.script import Script

QUEUE_DEPTHS = Script.read(Path(__file__).with_suffix(".lua"))


@dataclass(frozen=True, slots=True)
class LaneDepth:
    """Images that were accepted and are not final yet. `oldest_s` is 0 if there are none."""

    images: int
    bytes: int
    oldest_s: float


async def read_queues(client: AsyncClient, models: Sequence[str]) -> tuple[dict[str, dict[Lane, LaneDepth]], str]:
    """Return the depth by model and lane, and why some lanes cannot be read, or an empty string. Raises Redis errors.

    A lane that cannot be read seems to be empty.
    """
    lanes = [(model, lane) for model in models for lane in LANES]
    async with client.pipeline(transaction=False) as pipeline:
        for model, lane in lanes:
            streams = keys.streams(model, lane)
            pipeline.eval(*QUEUE_DEPTHS(queued=keys.queued(model, lane), more_keys=streams))
        found = await pipeline.execute(raise_on_error=False) if lanes else []
    depths: dict[str, dict[Lane, LaneDepth]] = {model: {} for model in models}
    unreadable = []
    for (model, lane), reply in zip(lanes, found, strict=True):
        if isinstance(reply, RedisError):
            if passes(reply):
                raise reply
            unreadable.append(keys.queued(model, lane))
            reply = (0, 0, 0)
        images, size_bytes, oldest_ms = reply
        depths[model][lane] = LaneDepth(images, size_bytes, oldest_ms / 1e3)
    return depths, unreadable_fault(unreadable) if unreadable else ""


def unreadable_fault(queued: Sequence[str]) -> str:
    streams = [key.replace("queued", "stream") for key in queued]
    return (
        f"another program has written to {', '.join(queued)} or the keys that begin with {', '.join(streams)}: "
        "delete the keys of another type"
    )


def is_stalled(
    depths: Mapping[str, Mapping[Lane, LaneDepth]], workers: Sequence[LiveWorker], stall_s: float, now_s: float
) -> bool:
    """Return whether an image has waited for longer than `stall_s` and no batch has ended in that time."""
    oldest_s = max((depth.oldest_s for lanes in depths.values() for depth in lanes.values()), default=0.0)
    ends_s = [worker.last_batch.finished_s for worker in workers if worker.last_batch]
    return oldest_s > stall_s and now_s - max(ends_s, default=0.0) > stall_s
