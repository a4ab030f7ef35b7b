"""The operations on models, by method and path: versions, aliases, trainings."""

from typing import get_args

from api.routes.openapi.operation import Content, Operation, Parameter
from api.routes.openapi.parameters import (
    ACCEPT,
    CALLBACK,
    IDEMPOTENCY_KEY,
    IMAGE_BODY,
    IMAGE_ERRORS,
    JOB_ERRORS,
    JSON,
    MAPS,
    PREFER,
    TIMEOUT,
    UPLOAD_BODY,
    VERBOSE,
    WAIT,
)
from api.routes.openapi.schemas import ALIASES, INTEGER, STRING, array, nullable, obj, ref
from shared.contract.model_spec import DEFAULT_TOP, MAX_DENSE_LABELS, MAX_TOP, Resize
from shared.errors import (
    BadParameter,
    BadRequest,
    BadUpload,
    Conflict,
    Forbidden,
    NotFound,
    QueueFull,
    RequestError,
    SlowClient,
    TooLarge,
    Unavailable,
)

TOP = Parameter(
    "top",
    {"type": "integer", "minimum": 1, "maximum": MAX_TOP},
    f"number of best labels; by default those of all up to {MAX_DENSE_LABELS} labels, else of the best {DEFAULT_TOP}",
)
RESIZE = Parameter(
    "resize", {"enum": [*get_args(Resize)]}, "what happens to pictures of another size; by default as the card says"
)
SHOW = Parameter("show", {"const": "fitted"}, "include the image as the model saw it, as a PNG in base64")
LIMIT = Parameter("limit", {"type": "integer", "minimum": 1, "maximum": 1000}, "maximum number of changes")
REASON = Parameter("reason", {"type": "string", "maxLength": 500}, "recorded with the change")
TRAINING = {"allOf": [ref("Training"), obj({"trainers": array(STRING), "notice": nullable(STRING)})]}
TRAININGS = obj({"trainings": array(ref("Training")), "trainers": array(STRING), "notice": nullable(STRING)})
READ_ERRORS: tuple[type[RequestError], ...] = (NotFound, Unavailable)
BODY_ERRORS: tuple[type[RequestError], ...] = (BadRequest, BadUpload, SlowClient, TooLarge, BadParameter, Forbidden)


def _read(summary: str, schema: dict[str, object], *errors: type[RequestError]) -> Operation:
    content = [Content(JSON, schema)]
    return Operation(summary=summary, tag="models", content=content, errors=(*READ_ERRORS, *errors))


OPERATIONS = {
    "GET /models": _read(
        "All models: versions, aliases, and the version that the name stands for", obj({"models": array(ref("Model"))})
    ),
    "POST /models/{ref}/classify": Operation(
        summary="The classification of one image by any version, with its labels",
        tag="images",
        body=IMAGE_BODY,
        content=[Content(JSON, ref("LabelledPrediction"))],
        parameters=[
            TIMEOUT,
            TOP,
            RESIZE,
            ACCEPT,
            VERBOSE,
            MAPS,
            SHOW,
            PREFER,
            IDEMPOTENCY_KEY,
        ],
        errors=IMAGE_ERRORS,
    ),
    "POST /models/{ref}/classify/bulk": Operation(
        summary="A job of many images for any version, whose items have labels",
        tag="images",
        status=202,
        body=UPLOAD_BODY,
        content=[Content(JSON, ref("Accepted"))],
        headers={"Location": "URL of the result"},
        parameters=[TIMEOUT, TOP, RESIZE, ACCEPT, CALLBACK, IDEMPOTENCY_KEY],
        refused=["verbose", "maps", "show"],
        errors=JOB_ERRORS,
    ),
    "GET /models/{name}": _read("One model", ref("Model")),
    "GET /models/{name}/{version}": _read(
        "A version's card and its results in the quality gate", obj({"name": STRING, "version": INTEGER}), BadParameter
    ),
    "GET /models/{name}/{version}/report": Operation(
        summary="The report of the quality gate as JSON or as a page",
        tag="models",
        content=[Content(JSON, {"type": "object"}), Content("text/html", STRING)],
        errors=READ_ERRORS,
    ),
    "GET /models/{name}/aliases": _read("A model's aliases", obj({"model": STRING, "aliases": ALIASES})),
    "GET /models/{name}/changes": Operation(
        summary="The history of alias changes, newest first",
        tag="models",
        content=[Content(JSON, obj({"model": STRING, "changes": array(ref("AliasChange"))}))],
        parameters=[LIMIT],
        errors=(*READ_ERRORS, BadParameter),
    ),
    "POST /models/{name}/aliases/{alias}": Operation(
        summary="Set an alias once every worker has loaded its version (admins only)",
        tag="models",
        body=[Content(JSON, ref("AliasRequest"), {"version": 2, "reason": "passed, and better"})],
        content=[Content(JSON, ref("AliasChange"))],
        parameters=[WAIT],
        errors=(*READ_ERRORS, *BODY_ERRORS, Conflict),
    ),
    "DELETE /models/{name}/aliases/{alias}": Operation(
        summary="Delete an alias (admins only)",
        tag="models",
        content=[Content(JSON, ref("AliasChange"))],
        parameters=[WAIT, REASON],
        errors=(*READ_ERRORS, BadParameter, Forbidden),
    ),
    "POST /models/{name}/train": Operation(
        summary="Start a training, run by a trainer (admins only)",
        tag="trainings",
        status=202,
        body=[Content(JSON, ref("Parameters"), {"epochs": 60})],
        content=[Content(JSON, TRAINING)],
        headers={"Location": "URL of the training"},
        errors=(*READ_ERRORS, *BODY_ERRORS, QueueFull),
    ),
    "GET /models/{name}/train": Operation(
        summary="A model's trainings, newest first (admins only)",
        tag="trainings",
        content=[Content(JSON, TRAININGS)],
        errors=(*READ_ERRORS, Forbidden),
    ),
    "GET /models/{name}/train/{id}": Operation(
        summary="A training: state, progress, and the result of the quality gate (admins only)",
        tag="trainings",
        content=[Content(JSON, TRAINING)],
        errors=(*READ_ERRORS, Forbidden),
    ),
    "DELETE /models/{name}/train/{id}": Operation(
        summary="Cancel a training, also while it runs (admins only)",
        tag="trainings",
        content=[Content(JSON, ref("Training"))],
        errors=(*READ_ERRORS, Forbidden, Conflict),
    ),
}
