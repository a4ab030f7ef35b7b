"""The state of the whole service, read from Redis for `/status` and `/metrics`.

All API processes report the same state. Its metrics are called `mnistified_fleet_…`: aggregate them by `max`, never by
`sum`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from redis.exceptions import NoPermissionError

from api.monitoring.drift import read_drift
from api.monitoring.queue_depths import LaneDepth, is_stalled, read_queues
from api.monitoring.shadows import read_shadows
from api.state import State
from shared.contract.heartbeat import LiveWorker
from shared.contract.lane import Lane
from shared.redis import keys
from shared.redis.clients import AsyncClient
from shared.telemetry.prometheus import gauge

COMPARED = ("agree", "differ", "failed", "skipped")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """`drift` and `shadows` are JSON for `/status`. `memory` is the memory of Redis in bytes.

    `deferred` has the number of entries that wait for a worker which reads their format, by format.

    `redis_fault` is why Redis cannot be trusted with images now, or not with those of some lanes, or empty.
    """

    workers: list[LiveWorker]
    queues: dict[str, dict[Lane, LaneDepth]]
    stalled: bool
    lost_workers: int
    dead_letters: int
    deferred: dict[int, int]
    drift: dict[str, dict[str, Any]]
    shadows: list[dict[str, Any]]
    memory: Mapping[str, int]
    redis_fault: str


async def read_fleet(state: State) -> Fleet:
    """Read the state. Raises Redis errors."""
    redis_fault = await state.health.fault()  # first, so that the rest is not read from a former master
    workers = await state.workers.refresh()
    queues, queues_fault = await read_queues(state.client, list(state.catalog.models))
    return Fleet(
        workers=workers,
        queues=queues,
        stalled=is_stalled(queues, workers, state.settings.queue_stall_s, state.clock.now_s()),
        lost_workers=state.workers.lost,
        dead_letters=await state.client.xlen(keys.DEAD_LETTERS),
        deferred=await _read_deferred(state.client),
        drift=await read_drift(state.client, state.catalog, state.clock.now_s()),
        shadows=await read_shadows(state.client, state.aliases.table),
        memory=await _read_memory(state.client),
        redis_fault=redis_fault or queues_fault,
    )


def fleet_families(fleet: Fleet, limits: Mapping[Lane, Mapping[str, int]]) -> Iterable[Metric]:
    """Yield the metrics for Prometheus. `limits` are those of `api.queue.enqueue.lane_limits`."""
    yield from _queue_families(fleet.queues, limits)
    yield from _worker_families(fleet)
    yield from _drift_families(fleet.drift)
    yield GaugeMetricFamily(
        "mnistified_fleet_dead_letters",
        "How many images are in the dead-letter stream because they crashed workers?",
        value=fleet.dead_letters,
    )
    yield gauge(
        "mnistified_fleet_deferred_entries",
        "How many entries wait for a worker that reads their format? Only during an upgrade",
        ("format",),
        {(str(entry_format),): count for entry_format, count in fleet.deferred.items()},
    )
    yield gauge(
        "mnistified_fleet_shadow_images",
        "Does a shadow agree with its version? Compared images by outcome",
        ("version", "shadow", "outcome"),
        {
            (pair["version"], pair["shadow"], outcome): count
            for pair in fleet.shadows
            for outcome, count in zip(COMPARED, _compared(pair), strict=True)
        },
    )
    yield GaugeMetricFamily(
        "mnistified_fleet_redis_unsafe",
        "Does Redis refuse writes, or may it delete accepted images? 1 if so; /readyz says why",
        value=bool(fleet.redis_fault),
    )
    yield gauge(
        "mnistified_fleet_redis_bytes",
        "How close is Redis to its memory limit? used: current use; limit: maxmemory (0: none)",
        ("what",),
        {(what,): size_bytes for what, size_bytes in fleet.memory.items()},
    )


def _queue_families(
    queues: Mapping[str, Mapping[Lane, LaneDepth]], limits: Mapping[Lane, Mapping[str, int]]
) -> Iterable[Metric]:
    depths = {(model, lane): depth for model, lanes in queues.items() for lane, depth in lanes.items()}
    names = ("model", "lane")
    yield gauge(
        "mnistified_fleet_queued_images",
        "How many images are accepted and not yet final?",
        names,
        {labels: depth.images for labels, depth in depths.items()},
    )
    yield gauge(
        "mnistified_fleet_queued_bytes",
        "How many bytes of images are accepted and not yet final?",
        names,
        {labels: depth.bytes for labels, depth in depths.items()},
    )
    yield gauge(
        "mnistified_fleet_oldest_seconds",
        "How long has the oldest queued image waited? 0 if nothing is queued",
        names,
        {labels: depth.oldest_s for labels, depth in depths.items()},
    )
    fullest = {
        labels: max(depth.images / limits[labels[1]]["images"], depth.bytes / limits[labels[1]]["bytes"])
        for labels, depth in depths.items()
    }
    yield gauge(
        "mnistified_fleet_queue_fullness",
        "How full is a lane? The larger share of its limits in images and bytes; at 1 it refuses images",
        names,
        fullest,
    )


def _worker_families(fleet: Fleet) -> Iterable[Metric]:
    late = sum(worker.late for worker in fleet.workers)
    yield gauge(
        "mnistified_fleet_workers",
        "How many workers are running? beating: on time; late: the heartbeat is overdue",
        ("state",),
        {("beating",): len(fleet.workers) - late, ("late",): late},
    )
    yield CounterMetricFamily(
        "mnistified_fleet_lost_workers",
        "How many workers were lost without notice since this API process started?",
        value=fleet.lost_workers,
    )
    yield GaugeMetricFamily(
        "mnistified_fleet_stalled",
        "Has the queue stalled? 1 if an image has waited and no batch has ended for QUEUE_STALL_S",
        value=fleet.stalled,
    )


def _drift_families(drift: Mapping[str, Mapping[str, Any]]) -> Iterable[Metric]:
    compared = {
        (version, of): measured
        for version, histograms in drift.items()
        for of, measured in histograms.items()
        if of != "images" and measured["distance"] is not None
    }
    yield gauge(
        "mnistified_fleet_drift_distance",
        "How far are inputs and predictions from the training data? 0: the same, 1: nothing in common",
        ("version", "of"),
        {labels: measured["distance"] for labels, measured in compared.items()},
    )
    yield gauge(
        "mnistified_fleet_drift_chance",
        "Which distance does chance alone exceed once in a thousand cases, with this number of images?",
        ("version", "of"),
        {labels: measured["chance"] for labels, measured in compared.items()},
    )
    yield gauge(
        "mnistified_fleet_drift_images",
        "How many images is the distance computed from? Those of the last one to two hours",
        ("version",),
        {(version,): histograms["images"] for version, histograms in drift.items()},
    )


def _compared(pair: Mapping[str, int]) -> tuple[int, int, int, int]:
    return pair["agree"], pair["images"] - pair["agree"], pair["failed"], pair["skipped"]


async def _read_deferred(client: AsyncClient) -> dict[int, int]:
    formats = sorted(int(entry_format) for entry_format in await client.smembers(keys.DEFERRED))
    return {entry_format: await client.xlen(keys.deferred(entry_format)) for entry_format in formats}


async def _read_memory(client: AsyncClient) -> dict[str, int]:
    """Return Redis's memory, or nothing if our Redis user lacks the permission."""
    try:
        info = await client.info("memory")
    except NoPermissionError:
        return {}
    return {"used": int(info["used_memory"]), "limit": int(info["maxmemory"])}
