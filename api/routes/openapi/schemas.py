"""The JSON Schemas of request and response bodies. `ref("Job")` refers to one of them."""

from typing import Any, get_args

from api.routes.openapi.contract import contract_schemas
from shared.contract.block import FinalState
from shared.contract.job import JobState
from shared.shapes import CLASSES

Schema = dict[str, Any]
NUMBER: Schema = {"type": "number"}
INTEGER: Schema = {"type": "integer"}
STRING: Schema = {"type": "string"}
PNG_BASE64: Schema = {"type": "string", "contentEncoding": "base64", "contentMediaType": "image/png"}
BINARY: Schema = {"type": "string", "format": "binary"}
ITEM_STATES = ["queued", *get_args(FinalState)]
JOB_STATES = list(get_args(JobState))


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def obj(required: dict[str, Schema], optional: dict[str, Schema] | None = None) -> Schema:
    """Return the schema of an object that has all `required` properties and may have others."""
    return {"type": "object", "properties": required | (optional or {}), "required": list(required)}


def array(items: Schema, **more: Any) -> Schema:
    return {"type": "array", "items": items, **more}


def nullable(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


PROBABILITIES = array(NUMBER, minItems=CLASSES, maxItems=CLASSES)
LINKS = obj({"self": STRING, "items": STRING})

STAGE = {"type": "integer", "minimum": 1, "description": "of a cascade: the network that decided, counted from 1"}
# Only for versions with an acceptance rule, and requests with a threshold.
ACCEPTED: dict[str, Schema] = {
    "state": {"enum": ["done", "unsure"]},
    "confident": {"type": "boolean"},
    "guesses": array(ref("Guess")),
    "advice": STRING,
}
LAYERS = {"layers": nullable(array(ref("Layer")))}
LAYERS_EXTRA = {"layers_error": STRING, "input": ref("Input")}

TIMES = {
    "batch_images": INTEGER,
    "queue_ms": NUMBER,
    "model_ms": NUMBER,
    "worker": STRING,
    "attempt": INTEGER,
}

ALIASES: Schema = {"type": "object", "additionalProperties": ref("Alias")}

SCHEMAS: dict[str, Schema] = contract_schemas() | {
    "Problem": obj(
        {"type": STRING, "title": STRING, "status": INTEGER, "detail": STRING},
        {"id": {"type": "string", "description": "of a request that timed out: id of the result"}},
    ),
    "PlainError": obj({"error": STRING}),
    "Prediction": obj(
        {
            "prediction": nullable({"type": "integer", "minimum": 0, "maximum": CLASSES - 1}),
            "elapsed_time_ms": NUMBER,
            "model": {"type": "string", "examples": ["cnn@1"]},
            "id": STRING,
            "debug": obj({"probabilities": PROBABILITIES, **TIMES}, {"stage": STAGE}),
        },
        {**ACCEPTED, "dataset": STRING, "index": INTEGER, **LAYERS, **LAYERS_EXTRA},
    ),
    "LabelledPrediction": obj(
        {
            "prediction": nullable({"type": "integer", "minimum": 0}),
            "label": nullable(STRING),
            "confidence": NUMBER,
            "probabilities": nullable(array(NUMBER)),
            "best": array(ref("BestLabel")),
            "elapsed_time_ms": NUMBER,
            "model": {"type": "string", "examples": ["parts@1"]},
            "id": STRING,
            "debug": obj(TIMES, {"stage": STAGE}),
        },
        {**ACCEPTED, "fitted": PNG_BASE64, **LAYERS, **LAYERS_EXTRA},
    ),
    "BestLabel": obj({"prediction": INTEGER, "label": STRING, "probability": NUMBER}),
    "Layers": obj(LAYERS, LAYERS_EXTRA),
    "Layer": obj(
        {
            "name": STRING,
            "class": STRING,
            "shape": array(INTEGER),
            "summary": obj(dict.fromkeys(("min", "mean", "max", "zeros"), nullable(NUMBER))),
        },
        {
            "values": {"type": "array", "description": "nested according to `shape`"},
            "png": PNG_BASE64,
            "tiles": obj(dict.fromkeys(("count", "columns", "height", "width"), INTEGER)),
            "scale": obj({"black": NUMBER, "white": NUMBER}),
        },
    ),
    "Input": obj(
        {"shape": array(INTEGER), "dtype": {"const": "uint8"}}, {"values": array(array(INTEGER)), "png": PNG_BASE64}
    ),
    "Accepted": obj(
        {"id": STRING, "state": {"enum": JOB_STATES}, "total": nullable(INTEGER), "model": STRING, "links": LINKS}
    ),
    "Job": obj(
        {
            "id": STRING,
            "state": {"enum": JOB_STATES},
            "total": nullable(INTEGER),
            "counts": ref("Counts"),
            "model": STRING,
            "progress": {"type": "number", "minimum": 0, "maximum": 1},
            "eta_s": nullable(NUMBER),
            "request_id": {"type": "string", "description": "`X-Request-ID` of the request that created the job"},
            "links": LINKS,
        },
        {"elapsed_s": NUMBER, "reason": nullable(STRING), "callback": nullable(ref("CallbackStatus"))},
    ),
    "Item": obj(
        {
            "index": INTEGER,
            "name": nullable(STRING),
            "state": {"enum": ITEM_STATES},
            "prediction": nullable(INTEGER),
            "probabilities": nullable(array(NUMBER)),
            "error": nullable(STRING),
        },
        {
            "stage": STAGE,
            "confident": {"type": "boolean"},
            "guesses": array({"oneOf": [ref("Guess"), ref("NumberGuess")]}),
            "label": nullable(STRING),
            "confidence": nullable(NUMBER),
            "best": array(ref("BestLabel")),
            "text": nullable(STRING),
            "digits": array(ref("NumberDigit")),
        },
    ),
    "Number": obj(
        {
            "text": nullable(STRING),
            "state": {"enum": ["done", "unsure"]},
            "confident": {"type": "boolean"},
            "confidence": NUMBER,
            "digits": array(ref("NumberDigit")),
            "guesses": array(ref("NumberGuess")),
            "elapsed_time_ms": NUMBER,
            "model": STRING,
            "id": STRING,
        },
        {"dataset": STRING, "index": INTEGER},
    ),
    "NumberDigit": obj(
        {
            "digit": INTEGER,
            "box": array(INTEGER, minItems=4, maxItems=4),
            "confidence": NUMBER,
            "alternatives": array(obj({"digit": INTEGER, "confidence": NUMBER})),
        }
    ),
    "NumberGuess": obj({"text": STRING, "confidence": NUMBER}),
    "Guess": obj({"prediction": INTEGER, "confidence": NUMBER}, {"label": STRING}),
    "Items": obj({"items": array(ref("Item")), "next": nullable(STRING)}),
    "Model": obj(
        {
            "name": STRING,
            "versions": array(INTEGER),
            "latest": nullable(INTEGER),
            "serves": nullable(STRING),
            "aliases": ALIASES,
            "links": {"type": "object"},
        }
    ),
    "Status": obj(
        {
            "status": {"enum": ["ok", "stalled", "redis"]},
            "redis": {"type": ["string", "null"]},
            "model": {"type": "object"},
            "models": {"type": "object"},
            "other_models": {"type": "object"},
            "workers": array(ref("LiveWorker")),
            "recent": {"type": "object"},
            "trainers": array(STRING),
            "trainings": obj({"unfinished": INTEGER, "notice": nullable(STRING)}),
            "queues": {"type": "object"},
            "limits": {"type": "object"},
            "refusals": {"type": "object"},
            "drift": {"type": "object"},
            "shadows": array({"type": "object"}),
            "takeovers": INTEGER,
            "dead_letters": INTEGER,
            "dataset": obj({"name": STRING, "images": INTEGER, "about": STRING}),
        }
    ),
    "Range": {
        "type": "object",
        "description": "a range of the test set, from `start` (default: 0) to before `stop` (default: the end)",
        "properties": {"start": {"type": "integer", "minimum": 0}, "stop": {"type": "integer", "minimum": 1}},
        "additionalProperties": False,
    },
    "InferTensor": obj(
        {"name": {"const": "images"}, "shape": array({"type": "integer", "minimum": 1}), "datatype": STRING},
        {"data": {"type": "array"}, "parameters": {"type": "object"}},
    ),
    "InferRequest": obj(
        {"inputs": array(ref("InferTensor"), minItems=1, maxItems=1)},
        {"id": STRING, "parameters": {"type": "object"}, "outputs": array({"type": "object"}, maxItems=1)},
    ),
    "InferReply": obj(
        {"model_name": STRING, "model_version": STRING, "outputs": array({"type": "object"})}, {"id": STRING}
    ),
    "PredictRequest": {
        "type": "object",
        "properties": {
            "signature_name": STRING,
            "instances": {"type": "array", "description": "one image per row, such as [28,28], [28,28,1] or [784]"},
            "inputs": {"description": "all images as one tensor"},
        },
        "oneOf": [{"required": ["instances"]}, {"required": ["inputs"]}],
    },
    "PredictReply": {
        "type": "object",
        "properties": {"predictions": array(array(NUMBER)), "outputs": array(array(NUMBER))},
    },
}
