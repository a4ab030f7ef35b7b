"""The state of the service: `/status` for people, `/healthz` and `/readyz` for probes."""

import logging
from dataclasses import asdict
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from api.http.responses import Json
from api.monitoring.fleet import read_fleet
from api.monitoring.queue_depths import is_stalled, read_queues
from api.monitoring.recent_batches import describe_recent
from api.queue.enqueue import lane_limits
from api.state import State, state_of
from shared.contract.heartbeat import LiveWorker
from shared.contract.model_ref import ModelRef
from shared.errors import ModelError, Unavailable

logger = logging.getLogger(__name__)


async def get_status(request: Request) -> Response:
    """Return models, workers, queues, dead letters and the dataset. Raises Redis errors."""
    state = state_of(request)
    fleet = await read_fleet(state)
    return Json(
        {
            "status": "redis" if fleet.redis_fault else "stalled" if fleet.stalled else "ok",
            "redis": fleet.redis_fault or None,
            "model": await _default_model(state),
            "models": state.catalog.models,
            "other_models": _other_models(state),
            "aliases": state.aliases.table,
            "workers": [_worker_json(worker) for worker in fleet.workers],
            "recent": describe_recent(fleet.workers),
            "trainers": await state.retraining.trainers(),
            "trainings": await state.retraining.summary(),
            "queues": {
                name: {lane: asdict(depth) for lane, depth in lanes.items()} for name, lanes in fleet.queues.items()
            },
            "limits": lane_limits(state.settings),
            "refusals": state.metrics.refusals,
            "drift": fleet.drift,
            "shadows": fleet.shadows,
            "takeovers": sum(worker.takeovers for worker in fleet.workers),
            "dead_letters": fleet.dead_letters,
            "dataset": {
                "name": state.test_set.name,
                "images": len(state.test_set.images),
                "about": state.test_set.about,
            },
        }
    )


async def get_healthz(request: Request) -> Response:
    """Return 200: this process is alive."""
    return Json({"status": "ok"})


async def get_readyz(request: Request) -> Response:
    """Return 200 if Redis accepts and keeps images, and a worker makes progress. Raises Unavailable or Redis errors."""
    state = state_of(request)
    await state.health.require()
    workers = await state.workers.refresh()
    if not workers:
        raise Unavailable("no worker is ready", "not_ready")
    stall_s = state.settings.queue_stall_s
    queues, _ = await read_queues(state.client, list(state.catalog.models))
    if is_stalled(queues, workers, stall_s, state.clock.now_s()):
        raise Unavailable(
            f"images have been queued for more than {stall_s:g} s, and no worker finishes a batch", "not_ready"
        )
    return Json({"status": "ok", "workers": len(workers)})


def _worker_json(worker: LiveWorker) -> dict[str, Any]:
    """Return a worker's heartbeat without its histograms, which `recent` sums up."""
    described: dict[str, Any] = msgspec.to_builtins(worker)
    del described["recent"]
    return described


def _other_models(state: State) -> dict[str, dict[str, int]]:
    """Describe the versions that the routes under `/mnist` do not serve, by `name@version`."""
    return {
        ref: {"width": spec.shape[1], "height": spec.shape[0], "channels": spec.shape[2], "labels": len(spec.labels)}
        for ref, spec in state.catalog.other_specs().items()
    }


async def _default_model(state: State) -> dict[str, Any]:
    """Describe the default model's current version. Without a readable card, only its name and version are known."""
    ref = ModelRef.parse(state.version_of(None))
    try:
        card = await state.catalog.card(str(ref))
    except ModelError as error:
        logger.error("the default model's card: %s", error)
        card = {}
    described = {field: card.get(field) for field in ("layers", "parameters", "multiply_adds", "accuracy")}
    return {"name": ref.name, "version": ref.version, **described}
