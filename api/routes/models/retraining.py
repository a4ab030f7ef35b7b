"""`/models/{name}/train`: retraining of a model by a trainer, for admins."""

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from api.http.access import caller_of, require_admin
from api.http.bodies import read_body
from api.http.responses import Json
from api.routes.models.versions import model_of
from api.state import State, state_of
from api.uploads.body import without_mark
from api.versions.retraining import NO_TRAINER
from shared.contract.training import Parameters, parse_parameters
from shared.errors import BadParameter

MAX_BODY_BYTES = 1 << 14


async def post_training(request: Request) -> Response:
    """Queue a training and return 202, also if no trainer runs: `notice` then says how to start one."""
    caller = caller_of(request)
    require_admin(caller)
    state = state_of(request)
    model = model_of(request)
    training_id = await state.retraining.submit(model, await _parameters(request, model), caller.name)
    training = await _training_json(state, model, training_id)
    return Json(training, 202, {"Location": training["links"]["self"]})


async def list_trainings(request: Request) -> Response:
    """Return the trainings of a model, newest first."""
    require_admin(caller_of(request))
    state = state_of(request)
    trainings = await state.retraining.listed(model_of(request))
    trainers = await state.retraining.trainers()
    return Json({"trainings": trainings, "trainers": trainers, "notice": _notice(trainings, trainers)})


async def get_training(request: Request) -> Response:
    require_admin(caller_of(request))
    return Json(await _training_json(state_of(request), request.path_params["name"], request.path_params["id"]))


async def cancel_training(request: Request) -> Response:
    """Cancel a training. If it runs, its trainer ends it within seconds."""
    require_admin(caller_of(request))
    state = state_of(request)
    return Json(await state.retraining.cancel(request.path_params["name"], request.path_params["id"]))


async def _training_json(state: State, model: str, training_id: str) -> dict[str, Any]:
    training, trainers = await state.retraining.read(model, training_id), await state.retraining.trainers()
    return {**training, "trainers": trainers, "notice": _notice([training], trainers)}


def _notice(trainings: list[dict[str, Any]], trainers: list[str]) -> str | None:
    """Return how to start a trainer if one of the trainings needs one and none is running."""
    return NO_TRAINER if not trainers and any(training["finished_ms"] is None for training in trainings) else None


async def _parameters(request: Request, model: str) -> Parameters:
    """Parse the body. An empty body means `{}`."""
    body = await read_body(request.receive, MAX_BODY_BYTES, "the parameters of a training")
    try:
        return parse_parameters(model, without_mark(body) if body.strip() else b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadParameter(f"expected parameters of a training: {error}") from None
