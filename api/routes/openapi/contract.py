"""JSON Schemas that are generated from the structures of `shared/contract/`."""

import inspect
from typing import Any

import msgspec

from api.routes.models.aliases import AliasRequest
from shared.contract.alias import AliasChange
from shared.contract.dead_letter import DeadLetter
from shared.contract.heartbeat import LiveWorker
from shared.contract.job import CallbackStatus, Counts
from shared.contract.training import Parameters, Training

REQUESTS = {"AliasRequest", "Parameters"}
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
    kinds = [AliasRequest, AliasChange, CallbackStatus, Counts, DeadLetter, LiveWorker, Parameters, Training]
    _, schemas = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    del schemas["Recent"]
    for name, fields in INTERNAL.items():
        for field in fields:
            del schemas[name]["properties"][field]
        schemas[name]["properties"] |= ADDED.get(name, {})
    for name, schema in schemas.items():
        schema["description"] = inspect.cleandoc(schema["description"])
        if name not in REQUESTS:
            schema["required"] = list(schema["properties"])
    return schemas
