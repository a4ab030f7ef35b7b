"""The OpenAPI document, assembled from the registered routes and their operations."""

import re
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

from starlette.routing import Route

from api.http.parameters import Place, Places
from api.routes.openapi import compat, models, own
from api.routes.openapi.operation import Operation, Parameter, to_openapi
from api.routes.openapi.schemas import SCHEMAS

OPERATIONS: dict[str, Operation] = {**own.OPERATIONS, **models.OPERATIONS, **compat.OPERATIONS}
PATH_PARAMETERS = {
    "index": Parameter("index", {"type": "integer", "minimum": 0}, "index of an image in the test set"),
    "id": Parameter("id", {"type": "string", "minLength": 1}, "id from an earlier response"),
    "ref": Parameter("ref", {"type": "string", "minLength": 1}, "`name`, `name@version` or `name@alias`"),
    "name": Parameter("name", {"type": "string", "minLength": 1}, "name of a model"),
    "version": Parameter("version", {"type": "string", "minLength": 1}, "version of the model"),
    "alias": Parameter("alias", {"type": "string", "minLength": 1}, "alias of the model"),
    "label": Parameter("label", {"type": "string", "minLength": 1}, "alias of the model"),
    "asset": Parameter("asset", {"type": "string", "minLength": 1}, "name of a file"),
}
_PARAMETER = re.compile(r"\{([a-z]+)\}")


def described_routes(routes: Iterable[Route]) -> list[tuple[str, str]]:
    """Return (method, path) of the routes in the description, except HEAD, which follows from GET."""
    return [
        (method, route.path)
        for route in routes
        if route.include_in_schema
        for method in sorted((route.methods or set()) - {"HEAD"})
    ]


def parameter_places() -> dict[str, Places | None]:
    """Return where the parameters of each operation belong, or None for the APIs that ignore unknown parameters."""
    return {key: None if operation.plain_errors else _places(operation) for key, operation in OPERATIONS.items()}


def _places(operation: Operation) -> Places:
    places: dict[str, Place] = {parameter.name: parameter.place for parameter in operation.parameters}
    return places | dict.fromkeys(operation.refused, "refused")


def make_document(routes: Iterable[Route]) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document. Raises KeyError for a route without an operation."""
    paths: dict[str, dict[str, Any]] = {}
    for method, path in described_routes(routes):
        parameters = [PATH_PARAMETERS[name] for name in _PARAMETER.findall(path)]
        operation_id = "_".join([method.lower(), *re.findall(r"[a-z0-9]+", path)])
        paths.setdefault(path, {})[method.lower()] = to_openapi(
            OPERATIONS[f"{method} {path}"], parameters, operation_id
        )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "MNISTified",
            "version": version("mnistified"),
            "description": "Queue-based batch inference for small images. Errors are problem details (RFC 9457).",
        },
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
        # Without configured keys, none is required.
        "security": [{}, {"bearer": []}, {"key": []}],
    }
