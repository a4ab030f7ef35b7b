"""How the whole service stands: what workers and queues have in Redis, read at once for `/status` and `/metrics`.

Every API process tells the same of it. So its metrics are called `mnistified_fleet_…`: of those, take the `max` over
processes, never the sum.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client.metrics_core import Metric
from redis.exceptions import NoPermissionError

from api.monitoring.drift import read_drift
from api.monitoring.queue_depths import LaneDepth, is_stalled, read_queues
from api.monitoring.shadows import read_shadows
from api.state import State
from shared.config.settings import Settings
from shared.contract.heartbeat import LiveWorker
from shared.redis import keys
from shared.redis.connection import Client
from shared.telemetry.prometheus import counter, gauge

COMPARED = ("agree", "differ", "failed", "skipped")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """`workers` are heartbeats; `drift` and `shadows` as `/status` tells them; `memory` is Redis's, in bytes."""

    workers: list[LiveWorker]
    queues: dict[str, dict[str, LaneDepth]]
    stalled: bool
    lost_workers: int
    dead_letters: int
    drift: dict[str, dict[str, Any]]
    shadows: list[dict[str, Any]]
    memory: Mapping[str, int]


async def read_fleet(state: State) -> Fleet:
    """Raises redis' errors."""
    workers = await state.workers.refresh()
    queues = await read_queues(state.client, list(state.catalog.models))
    return Fleet(
        workers=workers,
        queues=queues,
        stalled=is_stalled(queues, workers, state.settings.queue_stall_s, time.time()),
        lost_workers=state.workers.lost,
        dead_letters=await state.client.xlen(keys.DEAD_LETTERS),
        drift=await read_drift(state.client, state.catalog),
        shadows=await read_shadows(state.client, state.aliases.table),
        memory=await _read_memory(state.client),
    )


def lane_limits(settings: Settings) -> dict[str, dict[str, int]]:
    """Lane -> what may be queued in it of each model, in images and bytes."""
    return {
        "interactive": {
            "images": settings.max_queued_interactive_images,
            "bytes": settings.max_queued_interactive_bytes,
        },
        "bulk": {"images": settings.max_queued_bulk_images, "bytes": settings.max_queued_bulk_bytes},
    }


def fleet_families(fleet: Fleet, settings: Settings) -> Iterable[Metric]:
    """For Prometheus."""
    yield from _queue_families(fleet.queues, lane_limits(settings))
    yield from _worker_families(fleet)
    yield from _drift_families(fleet.drift)
    yield gauge(
        "mnistified_fleet_dead_letters",
        "How many images are set aside because workers did not survive them?",
        (),
        {(): fleet.dead_letters},
    )
    yield gauge(
        "mnistified_fleet_shadow_images",
        "Does a shadow answer as its version does? Images by what came of the comparison, since it began",
        ("version", "shadow", "outcome"),
        {
            (pair["version"], pair["shadow"], outcome): count
            for pair in fleet.shadows
            for outcome, count in zip(COMPARED, _compared(pair), strict=True)
        },
    )
    yield gauge(
        "mnistified_fleet_redis_bytes",
        "How near is Redis to its memory's end? used, and limit (maxmemory; 0: none)",
        ("what",),
        {(what,): size_bytes for what, size_bytes in fleet.memory.items()},
    )


def _queue_families(
    queues: Mapping[str, Mapping[str, LaneDepth]], limits: Mapping[str, Mapping[str, int]]
) -> Iterable[Metric]:
    depths = {(model, lane): depth for model, lanes in queues.items() for lane, depth in lanes.items()}
    names = ("model", "lane")
    yield gauge(
        "mnistified_fleet_queued_images",
        "How much is queued? Images accepted and not yet final",
        names,
        {labels: depth.images for labels, depth in depths.items()},
    )
    yield gauge(
        "mnistified_fleet_queued_bytes",
        "How much memory does the queue take? Bytes accepted and not yet final",
        names,
        {labels: depth.bytes for labels, depth in depths.items()},
    )
    yield gauge(
        "mnistified_fleet_oldest_seconds",
        "How long has the oldest queued image waited? 0 where nothing is queued",
        names,
        {labels: depth.oldest_s for labels, depth in depths.items()},
    )
    fullest = {
        labels: max(depth.images / limits[labels[1]]["images"], depth.bytes / limits[labels[1]]["bytes"])
        for labels, depth in depths.items()
    }
    yield gauge(
        "mnistified_fleet_queue_fullness",
        "How near is a lane to refusing? Share of its limit in images or bytes, whichever is nearer; 1 is full",
        names,
        fullest,
    )


def _worker_families(fleet: Fleet) -> Iterable[Metric]:
    late = sum(worker.late for worker in fleet.workers)
    yield gauge(
        "mnistified_fleet_workers",
        "How many workers live? beating, or late: not heard of when they should have been",
        ("state",),
        {("beating",): len(fleet.workers) - late, ("late",): late},
    )
    yield counter(
        "mnistified_fleet_lost_workers",
        "Do workers die? Those that ended without saying so, since this API process watches",
        (),
        {(): fleet.lost_workers},
    )
    yield gauge(
        "mnistified_fleet_stalled",
        "Does nothing get done? 1 while something has waited for QUEUE_STALL_S and no batch ended since",
        (),
        {(): fleet.stalled},
    )


def _drift_families(drift: Mapping[str, Mapping[str, Any]]) -> Iterable[Metric]:
    compared = {
        (version, of): told
        for version, histograms in drift.items()
        for of, told in histograms.items()
        if of != "images" and told["distance"] is not None
    }
    yield gauge(
        "mnistified_fleet_drift_distance",
        "Is what comes in, and what is answered, like the training data? 0: the same, 1: nothing in common",
        ("version", "of"),
        {labels: told["distance"] for labels, told in compared.items()},
    )
    yield gauge(
        "mnistified_fleet_drift_chance",
        "Which distance do so few images reach by chance alone? Once in a thousand times",
        ("version", "of"),
        {labels: told["chance"] for labels, told in compared.items()},
    )
    yield gauge(
        "mnistified_fleet_drift_images",
        "Of how many images is the distance? Of the last one to two hours",
        ("version",),
        {(version,): told["images"] for version, told in drift.items()},
    )


def _compared(pair: Mapping[str, int]) -> tuple[int, int, int, int]:
    return pair["agree"], pair["images"] - pair["agree"], pair["failed"], pair["skipped"]


async def _read_memory(client: Client) -> dict[str, int]:
    """Nothing where our user of Redis may not ask."""
    try:
        told = await client.info("memory")
    except NoPermissionError:
        return {}
    return {"used": int(told["used_memory"]), "limit": int(told["maxmemory"])}
