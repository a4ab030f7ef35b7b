"""How the service is: `/status` for people, `/healthz` and `/readyz` for machines."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from api.replying import Json
from api.state import State, state_of
from shared import keys
from shared.errors import Unavailable
from shared.registry import model_names, versions


async def get_status(request: Request) -> Response:
    """The default model's layers, versions, workers, queue depths, dataset. Raises redis' errors: no Redis, not ok."""
    state = state_of(request)
    model = state.default_model
    models_dir = state.settings.models_dir
    return Json(
        {
            "status": "ok",
            "model": {
                "name": model.name,
                "version": model.version,
                "layers": model.card["layers"],
                "parameters": model.card["parameters"],
                "multiply_adds": model.card["multiply_adds"],
                "accuracy": model.card.get("accuracy"),
            },
            "models": {name: versions(models_dir, name) for name in model_names(models_dir)},
            "workers": await state.workers.refresh(),
            "queued_images": await _queued_images(state),
            "dataset": {"name": state.test_set.name, "images": len(state.test_set.images)},
        }
    )


async def get_healthz(request: Request) -> Response:
    """Alive: this process answers."""
    return Json({"status": "ok"})


async def get_readyz(request: Request) -> Response:
    """Able to answer now: Redis is there, and a worker. Raises Unavailable, or redis' errors."""
    workers = await state_of(request).workers.refresh()
    if not workers:
        raise Unavailable("no worker is ready")
    return Json({"status": "ok", "workers": len(workers)})


async def _queued_images(state: State) -> dict[str, dict[str, int]]:
    """Images that wait or run, by model and lane."""
    depths: dict[str, Any] = {}
    for name in model_names(state.settings.models_dir):
        counts = await state.client.mget([keys.queued(name, lane) for lane in keys.LANES])
        depths[name] = {lane: int(count or 0) for lane, count in zip(keys.LANES, counts, strict=True)}
    return depths
