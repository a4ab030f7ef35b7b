"""How the service is: `/status` for people, `/healthz` and `/readyz` for machines."""

import time
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from api.queues import LaneDepth, is_stalled, read_queues
from api.replying import Json
from api.state import State, state_of
from shared import keys
from shared.errors import Unavailable
from shared.registry import model_names, versions


async def get_status(request: Request) -> Response:
    """Model, versions, workers, queues, dead letters, dataset. Raises redis' errors: no Redis, not ok."""
    state = state_of(request)
    model = state.default_model
    models_dir = state.settings.models_dir
    workers, queues = await _progress(state)
    stalled = is_stalled(queues, workers, state.settings.queue_stall_s, time.time())
    return Json(
        {
            "status": "stalled" if stalled else "ok",
            "model": {
                "name": model.name,
                "version": model.version,
                "layers": model.card["layers"],
                "parameters": model.card["parameters"],
                "multiply_adds": model.card["multiply_adds"],
                "accuracy": model.card.get("accuracy"),
            },
            "models": {name: versions(models_dir, name) for name in model_names(models_dir)},
            "workers": workers,
            "trainers": await state.trainings.trainers(),
            "queues": {name: {lane: asdict(depth) for lane, depth in lanes.items()} for name, lanes in queues.items()},
            "takeovers": sum(worker["takeovers"] for worker in workers),
            "dead_letters": await state.client.xlen(keys.DEAD_LETTERS),
            "dataset": {"name": state.test_set.name, "images": len(state.test_set.images)},
        }
    )


async def get_healthz(request: Request) -> Response:
    """Alive: this process answers."""
    return Json({"status": "ok"})


async def get_readyz(request: Request) -> Response:
    """Able to answer now: Redis is there, and a worker that makes progress. Raises Unavailable, or redis' errors."""
    state = state_of(request)
    workers, queues = await _progress(state)
    if not workers:
        raise Unavailable("no worker is ready")
    stall_s = state.settings.queue_stall_s
    if is_stalled(queues, workers, stall_s, time.time()):
        raise Unavailable(f"images have been queued for more than {stall_s:g} s, and no worker finishes a batch")
    return Json({"status": "ok", "workers": len(workers)})


async def _progress(state: State) -> tuple[list[dict[str, Any]], dict[str, dict[str, LaneDepth]]]:
    workers = await state.workers.refresh()
    return workers, await read_queues(state.client, model_names(state.settings.models_dir))
