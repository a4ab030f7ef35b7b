"""Which request something is about: the id and the trace that it brought, and the id that it goes by."""

from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any

from starlette.types import Scope

from api.http.uid import new_uid
from shared.contract.entry import NO_ORIGIN, REQUEST_ID, TRACEPARENT, Origin

REQUEST_ID_HEADER = b"x-request-id"
TRACEPARENT_HEADER = b"traceparent"
BROUGHT = frozenset({REQUEST_ID_HEADER, TRACEPARENT_HEADER})

_current: ContextVar[Scope | None] = ContextVar("request", default=None)


def begin(scope: Scope) -> None:
    """Once for each request, in its own task: what is logged there from now on tells its id."""
    scope["origin"] = brought_origin(scope["headers"])
    scope["request_id"] = scope["origin"].request_id
    _current.set(scope)


def brought_origin(headers: Sequence[tuple[bytes, bytes]]) -> Origin:
    """`headers` as ASGI has them. What is no token of a decent length, or no traceparent, counts as not there."""
    for name, _ in headers:
        if name in BROUGHT:
            break
    else:
        return NO_ORIGIN
    found: dict[bytes, str] = {}
    for name, value in headers:
        found.setdefault(name, value.decode("latin-1"))
    request_id, traceparent = found.get(REQUEST_ID_HEADER, ""), found.get(TRACEPARENT_HEADER, "")
    traceparent = traceparent if TRACEPARENT.fullmatch(traceparent) else ""
    request_id = request_id if REQUEST_ID.fullmatch(request_id) else traceparent[3:35]
    return Origin(request_id, traceparent) if request_id else NO_ORIGIN


def request_id(scope: Scope) -> str:
    """The id that the request goes by, made where it brought none and nothing has given it one."""
    if not scope["request_id"]:
        scope["request_id"] = new_uid()
    made: str = scope["request_id"]
    return made


def go_by(scope: Scope, result_id: str) -> None:
    """The id of its result names a request that brought no other."""
    scope["request_id"] = scope["request_id"] or result_id


def name_origin(scope: Scope) -> Origin:
    """The request's origin, with an id in any case: for jobs, whose own id says nothing of the request."""
    origin: Origin = scope["origin"]
    return origin._replace(request_id=request_id(scope))


def about_request() -> dict[str, Any]:
    """For the log: of the request that is under way, if one is."""
    scope = _current.get()
    if scope is None:
        return {}
    about = {"request_id": request_id(scope)}
    if traceparent := scope["origin"].traceparent:
        about["trace_id"] = traceparent[3:35]
    return about
