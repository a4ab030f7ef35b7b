"""`POST` and `DELETE /models/{name}/aliases/{alias}`: what an alias means from now on. For admins."""

import asyncio
import reprlib
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from api.http.access import caller_of, require_admin
from api.http.parameters import wait_parameter
from api.http.responses import Json
from api.routes.classify import read_body
from api.routes.models.versions import model_of, no_version
from api.state import State, state_of
from api.versions.promotion import Change, prepare, switch
from api.versions.quality import objection, read_quality
from shared.contract.alias import CHAMPION, LATEST, NAME, Alias, make_alias
from shared.contract.model_ref import ModelRef
from shared.errors import BadParameter, BadRequest, Conflict, ModelError, NotFound

MAX_BYTES = 4096
MAX_REASON_CHARS = 500
MAX_ALIASES = 64  # of one model
FIELDS = ("version", "canary", "canary_percent", "shadow", "reason", "force")


@dataclass(frozen=True, slots=True)
class Asked:
    """The body of a POST."""

    alias: Alias
    reason: str
    force: bool


async def set_alias(request: Request) -> Response:
    """The change, once every worker has the alias's versions loaded. Blocks until then, for `?wait=` at the most.

    Raises NotFound, Conflict where the gate says no, Unavailable when the workers are not ready, and BadParameter.
    """
    caller = caller_of(request)
    require_admin(caller)
    state, name, alias = state_of(request), model_of(request), _alias_of(request)
    asked = parse_asked(await read_body(request.receive, MAX_BYTES, "a change of an alias"))
    wait_s = _wait_s(request, state)
    aliases = state.aliases.of(name)
    if alias not in aliases and len(aliases) >= MAX_ALIASES:
        raise Conflict(f"model {name!r} has {len(aliases)} aliases, and may have {MAX_ALIASES}")
    objections = await asyncio.to_thread(_objections, state, name, alias, asked.alias)
    if objections and not (asked.force and asked.reason):
        raise Conflict(f"{'; '.join(objections)}. To overrule the gate takes `force` true and a `reason`")
    refs = {str(ModelRef(name, version)) for version in asked.alias.versions}
    await prepare(state.client, state.workers, refs, wait_s, f"{name}/{alias}")
    change = Change(
        model=name, alias=alias, to=asked.alias, by=caller.name, reason=asked.reason, forced=bool(objections)
    )
    return await _switched(state, change)


async def delete_alias(request: Request) -> Response:
    """The change. A model without a `champion` means its latest version, which must be loaded before: as in a POST."""
    caller = caller_of(request)
    require_admin(caller)
    state, name, alias = state_of(request), model_of(request), _alias_of(request)
    reason = check_reason(request.query_params.get("reason", ""))
    wait_s = _wait_s(request, state)
    if alias not in state.aliases.of(name):
        raise NotFound(f"no alias {alias!r} of model {name!r}")
    versions = state.catalog.versions(name)
    if alias == CHAMPION and versions:
        await prepare(state.client, state.workers, {str(ModelRef(name, versions[-1]))}, wait_s, f"{name}/{alias}")
    return await _switched(state, Change(model=name, alias=alias, to=None, by=caller.name, reason=reason))


def parse_asked(body: bytes) -> Asked:
    """Raises BadRequest for what is no JSON, BadParameter for a field that cannot be used."""
    try:
        asked: Any = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"not JSON: {error}") from None
    if not isinstance(asked, dict) or "version" not in asked:
        raise BadParameter('expected {"version": 3} and what else there is: ' + ", ".join(FIELDS[1:]))
    unknown = [field for field in asked if field not in FIELDS]
    if unknown:
        raise BadParameter(f"{reprlib.repr(unknown[0])} is not known; expected {', '.join(FIELDS)}")
    reason, force = asked.pop("reason", ""), asked.pop("force", False)
    if not isinstance(force, bool):
        raise BadParameter(f"force is {reprlib.repr(force)}, expected true or false")
    try:
        return Asked(make_alias(**asked), check_reason(reason), force)
    except ValueError as error:
        raise BadParameter(str(error)) from None


def check_reason(reason: object) -> str:
    """Raises BadParameter."""
    if not isinstance(reason, str) or len(reason) > MAX_REASON_CHARS or not reason.isprintable():
        raise BadParameter(
            f"reason is {reprlib.repr(reason)}, expected a line of at most {MAX_REASON_CHARS} characters"
        )
    return reason.strip()


def _alias_of(request: Request) -> str:
    alias = str(request.path_params["alias"])
    if alias == LATEST:
        raise BadParameter("latest is the newest version there is, and cannot be set")
    if not NAME.fullmatch(alias):
        raise BadParameter(f"{reprlib.repr(alias)} is no name of an alias: expected {NAME.pattern}")
    return alias


def _wait_s(request: Request, state: State) -> float:
    return wait_parameter(request.query_params, state.settings.max_wait_s, state.settings.alias_wait_s)


def _objections(state: State, name: str, alias: str, means: Alias) -> list[str]:
    """What the gate has against it. Blocks. Raises NotFound for a version that is not in the registry."""
    qualities = {}
    for version in sorted(means.versions):
        try:
            qualities[version] = read_quality(state.catalog.registry, name, version)[1]
        except ModelError as error:
            raise no_version(state, name, version, error) from None
    served = [means.version] if alias == CHAMPION else []
    served += [] if means.canary is None else [means.canary]
    found = (objection(str(ModelRef(name, version)), qualities[version]) for version in served)
    return [reason for reason in found if reason is not None]


async def _switched(state: State, change: Change) -> Response:
    record = await switch(state.client, change)
    await state.aliases.try_to_read()  # this process has it before its client
    return Json(record)
