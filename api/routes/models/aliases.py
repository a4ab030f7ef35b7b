"""`POST` and `DELETE /models/{name}/aliases/{alias}`: changes of an alias, for admins."""

import asyncio
import reprlib
from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from api.http.access import caller_of, require_admin
from api.http.bodies import read_body
from api.http.parameters import wait_parameter
from api.http.responses import Json
from api.routes.models.versions import model_of, no_version
from api.state import State, state_of
from api.uploads.body import without_mark
from api.versions.promotion import prepare, switch
from api.versions.quality import objection, read_quality
from shared.config.api_keys import ApiKey
from shared.contract.alias import CHAMPION, LATEST, NAME, Alias, AliasChange
from shared.contract.model_ref import ModelRef
from shared.contract.model_spec import ModelSpec, spec_of
from shared.errors import BadParameter, BadRequest, Conflict, ModelError, NotFound

MAX_BYTES = 4096
MAX_REASON_CHARS = 500
MAX_ALIASES = 64  # per model


class AliasRequest(Alias, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a POST."""

    reason: Annotated[str, msgspec.Meta(max_length=MAX_REASON_CHARS)] = ""
    force: bool = False

    @property
    def alias(self) -> Alias:
        return Alias(self.version, self.canary, self.canary_percent, self.shadow)


async def set_alias(request: Request) -> Response:
    """Set the alias once every worker has loaded its versions, and return the change. Blocks for `?wait=` at most.

    Raises NotFound, BadParameter, Conflict if the quality gate objects or the versions take different images, or
    Unavailable if the workers are not ready.
    """
    caller = caller_of(request)
    require_admin(caller)
    state, name, alias = state_of(request), model_of(request), _alias_of(request)
    asked = parse_request(await read_body(request.receive, MAX_BYTES, "a change of an alias"))
    wait_s = _wait_s(request, state)
    aliases = state.aliases.of(name)
    if alias not in aliases and len(aliases) >= MAX_ALIASES:
        raise Conflict(f"model {name!r} has {len(aliases)} aliases, the maximum is {MAX_ALIASES}")
    objections = await asyncio.to_thread(_objections, state, name, alias, asked.alias, aliases.get(alias))
    if objections and not (asked.force and asked.reason):
        raise Conflict(f"{'; '.join(objections)}. To do it all the same, send `force` true and a `reason`")
    refs = {str(ModelRef(name, version)) for version in asked.alias.versions}
    await prepare(state.client, state.workers, state.clock, refs, wait_s, f"{name}/{alias}")
    return await _switched(state, caller, name, alias, asked.alias, asked.reason, forced=bool(objections))


async def delete_alias(request: Request) -> Response:
    """Delete the alias and return the change. Without `champion`, workers must load the latest version first."""
    caller = caller_of(request)
    require_admin(caller)
    state, name, alias = state_of(request), model_of(request), _alias_of(request)
    reason = check_reason(request.query_params.get("reason", ""))
    wait_s = _wait_s(request, state)
    if alias not in state.aliases.of(name):
        raise NotFound(f"model {name!r} has no alias {alias!r}")
    versions = state.catalog.versions(name)
    if alias == CHAMPION and versions:
        await prepare(
            state.client, state.workers, state.clock, {str(ModelRef(name, versions[-1]))}, wait_s, f"{name}/{alias}"
        )
    return await _switched(state, caller, name, alias, None, reason)


def parse_request(body: bytes) -> AliasRequest:
    """Parse the body of a POST. Raises BadRequest if it is not JSON, BadParameter for an invalid field."""
    try:
        asked = msgspec.json.decode(without_mark(body), type=AliasRequest)
    except msgspec.ValidationError as error:
        raise BadParameter(f'expected an alias like {{"version": 3}}: {error}') from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"not JSON: {error}") from None
    return msgspec.structs.replace(asked, reason=check_reason(asked.reason))


def check_reason(reason: str) -> str:
    """Return the reason of a change without surrounding spaces. Raises BadParameter."""
    if len(reason) > MAX_REASON_CHARS or not reason.isprintable():
        raise BadParameter(
            f"reason is {reprlib.repr(reason)}, expected a line of at most {MAX_REASON_CHARS} characters"
        )
    return reason.strip()


def _alias_of(request: Request) -> str:
    alias = str(request.path_params["alias"])
    if alias == LATEST:
        raise BadParameter("latest always stands for the newest version and cannot be set")
    if not NAME.fullmatch(alias):
        raise BadParameter(f"{reprlib.repr(alias)} is not a valid name of an alias, expected {NAME.pattern}")
    return alias


def _wait_s(request: Request, state: State) -> float:
    return wait_parameter(request.query_params, state.settings.max_wait_s, state.settings.alias_wait_s)


def _objections(state: State, name: str, alias: str, means: Alias, before: Alias | None) -> list[str]:
    """Return the quality gate's objections, and that of a version that takes other images than the one `before`.

    Blocks. Raises NotFound for a version that is not in the registry, and Conflict for a canary or a shadow that takes
    other images than the version.
    """
    qualities, specs = {}, {}
    for version in sorted(means.versions):
        try:
            card, qualities[version] = read_quality(state.catalog.registry, name, version)
            specs[version] = spec_of(card)
        except ModelError as error:
            raise no_version(state, name, version, error) from None
    taken = f"{ModelRef(name, means.version)} takes {specs[means.version].images}"
    for role, other in (("canary", means.canary), ("shadow", means.shadow)):
        if other is not None and specs[other].shape != specs[means.version].shape:
            raise Conflict(f"{taken}, so its {role} cannot be {ModelRef(name, other)}, for {specs[other].images}")
    served = [means.version] if alias == CHAMPION else []
    served += [] if means.canary is None else [means.canary]
    found = (objection(str(ModelRef(name, version)), qualities[version]) for version in served)
    objections = [reason for reason in found if reason is not None]
    if before is not None and before.version != means.version:
        known = _spec_if_there(state, name, before.version)
        if known is not None and known.shape != specs[means.version].shape:
            objections.append(f"{taken}, but users of {ModelRef(name, alias)} send {known.images}")
    return objections


def _spec_if_there(state: State, name: str, version: int) -> ModelSpec | None:
    try:
        return spec_of(read_quality(state.catalog.registry, name, version)[0])
    except ModelError:
        return None


async def _switched(
    state: State, caller: ApiKey, name: str, alias: str, after: Alias | None, reason: str, *, forced: bool = False
) -> Response:
    change = AliasChange(
        at_ms=state.clock.now_ms(),
        by=caller.name or None,
        model=name,
        alias=alias,
        after=after,
        reason=reason,
        forced=forced,
    )
    record = await switch(state.client, change)
    await state.aliases.try_to_read()  # this process uses the change before the client gets the response
    return Json(record)
