"""The JSON Schemas of request and response bodies. `ref("Job")` refers to one of them."""

from typing import Any

from api.routes.openapi.contract import contract_schemas

Schema = dict[str, Any]
NUMBER: Schema = {"type": "number"}
INTEGER: Schema = {"type": "integer"}
STRING: Schema = {"type": "string"}
BINARY: Schema = {"type": "string", "format": "binary"}


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def obj(required: dict[str, Schema], optional: dict[str, Schema] | None = None) -> Schema:
    """Return the schema of an object that has all `required` properties and may have others."""
    return {"type": "object", "properties": required | (optional or {}), "required": list(required)}


def array(items: Schema, **more: Any) -> Schema:
    return {"type": "array", "items": items, **more}


def nullable(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


ALIASES: Schema = {"type": "object", "additionalProperties": ref("Alias")}

SCHEMAS: dict[str, Schema] = contract_schemas() | {
    "Problem": obj(
        {"type": STRING, "title": STRING, "status": INTEGER, "detail": STRING},
        {"id": {"type": "string", "description": "of a request that timed out: id of the result"}},
    ),
    "PlainError": obj({"error": STRING}),
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
