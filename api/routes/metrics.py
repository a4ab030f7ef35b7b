"""`GET /metrics`: this process and the whole service. `GET /metrics/workers`: the addresses of the workers' metrics."""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from typing import Any

from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import Response

from api.http.responses import Json
from api.monitoring.fleet import Fleet, fleet_families, read_fleet
from api.queue.enqueue import lane_limits
from api.state import State, state_of
from shared.config.settings import Settings
from shared.contract.heartbeat import LiveWorker
from shared.telemetry.prometheus import Families, gauge, process_families

logger = logging.getLogger(__name__)

READ_S = 2.0  # after this time, Redis counts as unreachable; must be below Prometheus's scrape timeout


async def get_metrics(request: Request) -> Response:
    """Return the metrics in Prometheus's text format. Without Redis, only those of this process."""
    state = state_of(request)
    try:
        async with asyncio.timeout(READ_S):
            fleet = await read_fleet(state)
    except (RedisError, OSError) as error:
        logger.warning("the metrics cover only this process: %r", error)
        fleet = None
    return Response(generate_latest(Families(families(state, fleet))), media_type=CONTENT_TYPE_LATEST)


async def get_metrics_workers(request: Request) -> Response:
    """Return the targets for Prometheus's `http_sd_configs`. On Redis errors, Prometheus keeps its current list."""
    return Json(targets(await state_of(request).workers.refresh()))


def families(state: State, fleet: Fleet | None) -> Iterable[Metric]:
    """Yield all metrics. `fleet` is None while Redis is unreachable."""
    yield from present_families(fleet is not None, state.singles.requests.in_progress, state.settings)
    yield from state.metrics.families()
    yield from process_families()
    if fleet is not None:
        yield from fleet_families(fleet, lane_limits(state.settings))


def present_families(redis_up: bool, waiting: int, settings: Settings) -> Iterable[Metric]:
    """Yield the current state of this process."""
    yield GaugeMetricFamily("mnistified_redis_up", "Does this API process reach Redis?", value=redis_up)
    yield gauge(
        "mnistified_waiting_requests",
        "How close is this API process to refusing requests? now: waiting requests; limit: MAX_WAITING_SINGLES",
        ("what",),
        {("now",): waiting, ("limit",): settings.max_waiting_singles},
    )


def targets(workers: Sequence[LiveWorker]) -> list[dict[str, Any]]:
    """Return the address of each worker that serves metrics, with its name as a label."""
    return [{"targets": [worker.metrics], "labels": {"worker": worker.name}} for worker in workers if worker.metrics]
