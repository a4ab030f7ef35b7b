"""JSON Schemas that are generated from the structures of `shared/contract/` and from the types of replies."""

import inspect
from collections.abc import Iterable
from typing import Any

import msgspec

from api.queue.answers import replies
from api.queue.answers.layers import Layers
from api.routes.models.aliases import AliasRequest
from shared.contract.alias import AliasChange
from shared.contract.dead_letter import DeadLetter
from shared.contract.heartbeat import LiveWorker
from shared.contract.job import CallbackStatus, Counts
from shared.contract.training import Parameters, Training

REQUESTS = {"AliasRequest", "Parameters"}
REPLIES_TO_IMAGES = (replies.LabelledPrediction, replies.Number, replies.Prediction)
INTERNAL = {  # fields that no response has
    "LiveWorker": ["recent"],  # `/status` sums them up
    "DeadLetter": ["client", "position", "chunk"],
    "Training": ["key", "publishing"],
}
LINKS = {"type": "object", "additionalProperties": {"type": "string"}}
ADDED: dict[str, dict[str, Any]] = {  # fields that only the responses have
    "DeadLetter": {
        "id": {"type": "string"},
        "key": {"type": ["string", "null"]},
        "index": {"type": ["integer", "null"]},
        "links": LINKS,
    },
    "Training": {"links": LINKS},
}


def contract_schemas() -> dict[str, dict[str, Any]]:
    """Return the schemas by name. A response has every field, a request may leave out those with a default."""
    schemas = _components(
        [AliasRequest, AliasChange, CallbackStatus, Counts, DeadLetter, LiveWorker, Parameters, Training]
    )
    del schemas["Recent"]
    for name, fields in INTERNAL.items():
        for field in fields:
            del schemas[name]["properties"][field]
        schemas[name]["properties"] |= ADDED.get(name, {})
    for name, schema in schemas.items():
        if name not in REQUESTS:
            schema["required"] = list(schema["properties"])
    return _reply_schemas() | schemas


def _reply_schemas() -> dict[str, dict[str, Any]]:
    kinds = [replies.Accepted, replies.Items, replies.Job, Layers, *REPLIES_TO_IMAGES, replies.ReplyExtras]
    schemas = _components(kinds)
    extras = schemas.pop("ReplyExtras")["properties"]
    for reply in REPLIES_TO_IMAGES:
        schemas[reply.__name__]["properties"] |= extras
    guesses = [{"$ref": f"#/components/schemas/{name}"} for name in ("Guess", "NumberGuess")]
    schemas["Item"]["properties"]["guesses"]["items"] = {"oneOf": guesses}
    return schemas


def _components(kinds: Iterable[type]) -> dict[str, dict[str, Any]]:
    _, schemas = msgspec.json.schema_components(
        kinds, schema_hook=_schema_of_array, ref_template="#/components/schemas/{name}"
    )
    for schema in schemas.values():
        schema["description"] = inspect.cleandoc(schema["description"])
    return schemas


def _schema_of_array(kind: type) -> dict[str, Any]:
    """Return the schema of a NumPy array of one dimension."""
    return {"type": "array", "items": {"type": "number"}}
