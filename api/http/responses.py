"""What goes out: JSON, and errors as problem details (RFC 9457)."""

from http import HTTPStatus
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from shared.errors import QueueFull, RequestError, StillUploading, Unauthorized, Unavailable, WaitTimeout

JSON_TYPE = b"application/json"
PROBLEM_TYPE = b"application/problem+json"
DOORS = ("/v1/", "/v2")  # paths of other protocols: api/routes/compat/
NDJSON_TYPE = "application/x-ndjson"
REASON = "reason"  # in the scope of a request that was refused with 429 or 503: why, in a word, for the metrics
RETRY_AFTER_S = 1  # where nothing says when it will be better


def to_json(content: Any) -> bytes:
    """numpy numbers and arrays included; float32 with as many digits as tell it apart."""
    return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)


class Json(Response):
    """`content` as JSON, with headers where there are any."""

    media_type = JSON_TYPE.decode()

    def render(self, content: Any) -> bytes:
        return to_json(content)


async def send_body(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    """A whole reply from an ASGI endpoint; `headers` beside its length."""
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def problem(error: RequestError) -> Response:
    """The reply for an error that a client can act on."""
    content: dict[str, Any] = {
        "type": "about:blank",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
    }
    headers: dict[str, str] = {}
    if isinstance(error, QueueFull):
        headers["Retry-After"] = str(error.retry_after_s)
    elif isinstance(error, Unavailable | StillUploading):
        headers["Retry-After"] = str(RETRY_AFTER_S)
    elif isinstance(error, WaitTimeout):
        content["id"] = error.result_id
        headers["Location"] = f"/results/{error.result_id}"
    elif isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    return Response(to_json(content), error.status, headers, PROBLEM_TYPE.decode())


def error_reply(scope: Scope, error: RequestError) -> Response:
    """`problem`, or what the clients of another protocol's door understand: `error` must be a plain string there."""
    scope["refusal"] = error.detail  # for the log
    if isinstance(error, QueueFull | Unavailable):
        scope[REASON] = error.reason
    reply = problem(error)
    if not scope["path"].startswith(DOORS):
        return reply
    status = 400 if error.status in (415, 422) else error.status
    headers = {name: value for name, value in reply.headers.items() if name not in ("content-length", "content-type")}
    return Json({"error": error.detail}, status, headers)


async def on_request_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError), "registered for no other"
    return error_reply(request.scope, error)


async def on_redis_error(request: Request, error: Exception) -> Response:
    return error_reply(request.scope, queue_away(error))


def queue_away(error: Exception) -> Unavailable:
    return Unavailable(f"the queue is away: {error}", "redis")


async def on_http_exception(request: Request, error: Exception) -> Response:
    """What the router itself answers: no such path, no such method."""
    assert isinstance(error, HTTPException), "registered for no other"
    detail = f"{request.method} {request.scope['path']}: {error.detail}"
    if request.url.path.startswith(DOORS):
        return Json({"error": detail}, error.status_code, dict(error.headers or {}))
    title = HTTPStatus(error.status_code).phrase
    content = {
        "type": "about:blank",
        "title": title,
        "status": error.status_code,
        "detail": detail,
    }
    headers = dict(error.headers or {})
    return Response(to_json(content), error.status_code, headers, PROBLEM_TYPE.decode())


async def send_problem(scope: Scope, receive: Receive, send: Send, error: RequestError) -> None:
    """`error_reply` from an ASGI endpoint."""
    await error_reply(scope, error)(scope, receive, send)
