"""JSON Schemas that are generated from the structures of `shared/contract/`."""

import inspect
from typing import Any

import msgspec

from api.routes.models.aliases import AliasRequest
from shared.contract.alias import AliasChange
from shared.contract.heartbeat import LiveWorker
from shared.contract.job import CallbackStatus, Counts
from shared.contract.training import Parameters

REQUESTS = {"AliasRequest", "Parameters"}


def contract_schemas() -> dict[str, dict[str, Any]]:
    """Return the schemas by name. A response has every field, a request may leave out those with a default."""
    kinds = [AliasRequest, AliasChange, CallbackStatus, Counts, LiveWorker, Parameters]
    _, schemas = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    del schemas["LiveWorker"]["properties"]["recent"], schemas["Recent"]  # `/status` sums them up
    for name, schema in schemas.items():
        schema["description"] = inspect.cleandoc(schema["description"])
        if name not in REQUESTS:
            schema["required"] = list(schema["properties"])
    return schemas
