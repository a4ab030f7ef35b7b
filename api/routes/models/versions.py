"""`GET /models…`: the models, their versions with quality reports, and their aliases."""

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from api.http.parameters import accepts_first, integer_parameter
from api.http.responses import Json
from api.monitoring.shadows import read_shadows
from api.state import State, state_of
from api.versions.alias_table import NO_CANARY, choose_version
from api.versions.promotion import read_changes
from api.versions.quality import REPORT, REPORT_PAGE, read_quality
from shared.contract.model_ref import ModelRef
from shared.errors import ModelError, NotFound
from shared.models.registry import read_file

DEFAULT_CHANGES = 100
MAX_CHANGES = 1000  # per response
PAGE_HEADERS = {
    # Anyone who publishes a model provides the page, so it may not run scripts.
    "Content-Security-Policy": "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Vary": "Accept",
}


async def get_models(request: Request) -> Response:
    """Return all models, sorted by name."""
    state = state_of(request)
    names = sorted({*state.catalog.models, *state.aliases.table})
    return Json({"models": [_model_json(state, name) for name in names], "default": state.version_of(None)})


async def get_model(request: Request) -> Response:
    state, name = state_of(request), model_of(request)
    shadows = await read_shadows(state.client, {name: state.aliases.of(name)})
    return Json(_model_json(state, name) | {"shadows": shadows})


async def get_version(request: Request) -> Response:
    """Return the card and the results of the quality gate. `{version}` may be an alias."""
    state, name = state_of(request), model_of(request)
    version = _version_of(request)
    try:
        card, quality = await asyncio.to_thread(read_quality, state.catalog.registry, name, version)
    except ModelError as error:
        raise no_version(state, name, version, error) from None
    path = f"/models/{name}/{version}"
    links = {"self": path, "model": f"/models/{name}"} | ({"report": f"{path}/report"} if quality else {})
    named = [alias for alias, means in state.aliases.of(name).items() if version in means.versions]
    return Json(card | {"name": name, "version": version, "aliases": named, "report": quality, "links": links})


async def get_report(request: Request) -> Response:
    """Return the gate's report as JSON, or as a page if it exists and `Accept` prefers it."""
    state, name, version = state_of(request), model_of(request), _version_of(request)
    headers = {"Vary": "Accept"}
    if accepts_first(request.headers.get("accept", ""), ("application/json", "text/html")) == "text/html":
        page = await _read(state, name, version, REPORT_PAGE)
        if page is not None:
            return Response(page, 200, PAGE_HEADERS, "text/html; charset=utf-8")
    report = await _read(state, name, version, REPORT)
    if report is None:
        raise NotFound(f"{ModelRef(name, version)} has no {REPORT}: it has not passed through the quality gate")
    return Response(report, 200, headers, "application/json")


async def get_aliases(request: Request) -> Response:
    state, name = state_of(request), model_of(request)
    return Json({"model": name, "aliases": state.aliases.of(name), "links": {"changes": f"/models/{name}/changes"}})


async def get_changes(request: Request) -> Response:
    """Return the changes of aliases, newest first."""
    state, name = state_of(request), model_of(request)
    limit = integer_parameter(request.query_params, "limit", DEFAULT_CHANGES, 1, MAX_CHANGES)
    return Json({"model": name, "changes": await read_changes(state.client, name, limit)})


def model_of(request: Request) -> str:
    """Return the model of the path. Raises NotFound."""
    state, name = state_of(request), str(request.path_params["name"])
    if name not in state.catalog.models and not state.aliases.of(name):
        raise NotFound(f"there is no model {name!r}, the models are {', '.join(state.catalog.models) or 'none'}")
    return name


def _version_of(request: Request) -> int:
    """Return the version in the path, even if it is not listed yet. Raises NotFound for an unknown alias."""
    ref = ModelRef.parse(f"{request.path_params['name']}@{request.path_params['version']}")
    if ref.is_version:
        return ref.version
    return ModelRef.parse(state_of(request).version_of(str(ref))).version


def no_version(state: State, name: str, version: int, error: ModelError) -> NotFound:
    """Return the NotFound for a version whose files cannot be read."""
    known = ", ".join(map(str, state.catalog.versions(name)))
    return NotFound(f"model {name!r} has no version {version}: {error}; its versions are {known or 'none'}")


def _model_json(state: State, name: str) -> dict[str, Any]:
    """Describe a model. `serves` is the version of its bare name without the canary, or null if it has no version."""
    versions, aliases = state.catalog.versions(name), state.aliases.of(name)
    try:
        serves = str(ModelRef(name, choose_version(ModelRef(name), state.catalog.models, aliases, NO_CANARY)))
    except NotFound:
        serves = None
    path = f"/models/{name}"
    return {
        "name": name,
        "versions": versions,
        "latest": versions[-1] if versions else None,
        "serves": serves,
        "aliases": aliases,
        "links": {
            "self": path,
            "versions": {str(version): f"{path}/{version}" for version in versions},
            "aliases": f"{path}/aliases",
            "changes": f"{path}/changes",
        },
    }


async def _read(state: State, name: str, version: int, file: str) -> bytes | None:
    try:
        return await asyncio.to_thread(read_file, state.catalog.registry, name, version, file)
    except ModelError as error:
        raise NotFound(str(error)) from None
