"""`GET /models…`: what models there are, which version their names and aliases mean, and how good each version is."""

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
MAX_CHANGES = 1000  # of one reply
PAGE_HEADERS = {
    # The page was made from a model that somebody published: it may show, and do nothing.
    "Content-Security-Policy": "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Vary": "Accept",
}


async def get_models(request: Request) -> Response:
    """Every model, by name."""
    state = state_of(request)
    names = sorted({*state.catalog.models, *state.aliases.table})
    return Json({"models": [_model_json(state, name) for name in names], "default": state.meaning(None)})


async def get_model(request: Request) -> Response:
    state, name = state_of(request), model_of(request)
    shadows = await read_shadows(state.client, {name: state.aliases.of(name)})
    return Json(_model_json(state, name) | {"shadows": shadows})


async def get_version(request: Request) -> Response:
    """The card, and what the gate found. `{version}` may be an alias too."""
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
    """The gate's report; as a page where `Accept` prefers that, and there is one."""
    state, name, version = state_of(request), model_of(request), _version_of(request)
    headers = {"Vary": "Accept"}
    if accepts_first(request.headers.get("accept", ""), ("application/json", "text/html")) == "text/html":
        page = await _read(state, name, version, REPORT_PAGE)
        if page is not None:
            return Response(page, 200, PAGE_HEADERS, "text/html; charset=utf-8")
    report = await _read(state, name, version, REPORT)
    if report is None:
        raise NotFound(f"{ModelRef(name, version)} has no {REPORT}: the gate has not judged it")
    return Response(report, 200, headers, "application/json")


async def get_aliases(request: Request) -> Response:
    state, name = state_of(request), model_of(request)
    return Json({"model": name, "aliases": state.aliases.of(name), "links": {"changes": f"/models/{name}/changes"}})


async def get_changes(request: Request) -> Response:
    """Who changed which alias, the newest change first."""
    state, name = state_of(request), model_of(request)
    limit = integer_parameter(request.query_params, "limit", DEFAULT_CHANGES, 1, MAX_CHANGES)
    return Json({"model": name, "changes": await read_changes(state.client, name, limit)})


def model_of(request: Request) -> str:
    """The model of the path. Raises NotFound."""
    state, name = state_of(request), str(request.path_params["name"])
    if name not in state.catalog.models and not state.aliases.of(name):
        raise NotFound(f"no model {name!r}; there: {', '.join(state.catalog.models) or 'none'}")
    return name


def _version_of(request: Request) -> int:
    """The version of the path: `latest`, an alias, or any number, since a listing may be late to know of a version, and
    its files tell. Raises NotFound.
    """
    ref = ModelRef.parse(f"{request.path_params['name']}@{request.path_params['version']}")
    if ref.is_version:
        return ref.version
    return ModelRef.parse(state_of(request).meaning(str(ref))).version


def no_version(state: State, name: str, version: int, error: ModelError) -> NotFound:
    """What to raise when a version's files say `error`."""
    there = ", ".join(map(str, state.catalog.versions(name)))
    return NotFound(f"no version {version} of model {name!r}: {error}; there: {there or 'none'}")


def _model_json(state: State, name: str) -> dict[str, Any]:
    """`serves` is what the bare name means now, without its canary; null when it has lost all of its versions."""
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
