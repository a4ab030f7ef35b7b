"""Request ids and trace parents: read from the headers, generated if absent, and attached to log lines."""

from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any

from starlette.types import Scope

from api.http.uid import new_uid
from shared.contract.entry import NO_ORIGIN, REQUEST_ID, TRACEPARENT, Origin

REQUEST_ID_HEADER = b"x-request-id"
TRACEPARENT_HEADER = b"traceparent"
ORIGIN_HEADERS = frozenset({REQUEST_ID_HEADER, TRACEPARENT_HEADER})

_current: ContextVar[Scope | None] = ContextVar("request", default=None)


def begin_request(scope: Scope) -> None:
    """Read the request's origin. Log lines of the current task carry its id from now on."""
    scope["origin"] = origin_of_headers(scope["headers"])
    scope["request_id"] = scope["origin"].request_id
    _current.set(scope)


def origin_of_headers(headers: Sequence[tuple[bytes, bytes]]) -> Origin:
    """Return the origin in ASGI `headers`. Malformed ids and trace parents are ignored."""
    for name, _ in headers:
        if name in ORIGIN_HEADERS:
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
    """Return the request's id. Generate one if it has none."""
    if not scope["request_id"]:
        scope["request_id"] = new_uid()
    found: str = scope["request_id"]
    return found


def use_result_id(scope: Scope, result_id: str) -> None:
    """Use the id of the result as the id of a request that has none."""
    scope["request_id"] = scope["request_id"] or result_id


def origin_with_id(scope: Scope) -> Origin:
    """Return the request's origin with an id. Jobs need one because a job's own id does not lead to the request."""
    origin: Origin = scope["origin"]
    return origin._replace(request_id=request_id(scope))


def current_request_fields() -> dict[str, Any]:
    """Return log fields that identify the current request. They are empty outside of a request."""
    scope = _current.get()
    if scope is None:
        return {}
    about = {"request_id": request_id(scope)}
    if traceparent := scope["origin"].traceparent:
        about["trace_id"] = traceparent[3:35]
    return about
