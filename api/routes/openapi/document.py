"""The whole description, from the routes that are served."""

import re
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

from starlette.routing import Route

from api.routes.openapi import compat, models, own
from api.routes.openapi.operation import Operation, Parameter, to_openapi
from api.routes.openapi.schemas import SCHEMAS

OPERATIONS: dict[str, Operation] = {**own.OPERATIONS, **models.OPERATIONS, **compat.OPERATIONS}
PATH_PARAMETERS = {
    "index": Parameter("index", {"type": "integer", "minimum": 0}, "of the test set"),
    "id": Parameter("id", {"type": "string", "minLength": 1}, "as a reply gave it"),
    "name": Parameter("name", {"type": "string", "minLength": 1}, "of a model"),
    "version": Parameter("version", {"type": "string", "minLength": 1}, "of the model"),
    "alias": Parameter("alias", {"type": "string", "minLength": 1}, "of the model"),
    "label": Parameter("label", {"type": "string", "minLength": 1}, "an alias of a version"),
    "asset": Parameter("asset", {"type": "string", "minLength": 1}, "a file"),
}
_PARAMETER = re.compile(r"\{([a-z]+)\}")
_CATCH_ALL = re.compile(r"\{[a-z]+:path\}")


def described_routes(routes: Iterable[Route]) -> list[tuple[str, str]]:
    """(method, path) of each, without HEAD, which follows from GET, and without routes for whatever else."""
    return [
        (method, route.path)
        for route in routes
        if not _CATCH_ALL.search(route.path)
        for method in sorted((route.methods or set()) - {"HEAD"})
    ]


def make_document(routes: Iterable[Route]) -> dict[str, Any]:
    """OpenAPI 3.1. Raises KeyError for a route that nobody has described."""
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
        # Where the service asks for no keys, none is needed.
        "security": [{}, {"bearer": []}, {"key": []}],
    }
