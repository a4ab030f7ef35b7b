"""JSON responses, and errors as problem details (RFC 9457)."""

import errno
import logging
from typing import Any

import msgspec
import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from shared.errors import (
    ContractError,
    EntryError,
    EntryFormatError,
    InferenceFailed,
    InternalError,
    MethodNotAllowed,
    MnistifiedError,
    QueueFull,
    RequestError,
    StillUploading,
    Unauthorized,
    Unavailable,
    UnknownEncoding,
    WaitTimeout,
)
from shared.redis.errors import explain

logger = logging.getLogger(__name__)

JSON_TYPE = b"application/json"
PROBLEM_TYPE = b"application/problem+json"
COMPAT_PATHS = ("/v1/", "/v2")  # prefixes of the compatibility APIs: api/routes/compat/
NDJSON_TYPE = "application/x-ndjson"
REASON = "reason"  # scope key of the reason that the metrics count for a 429 or 503
UNEXPECTED = "an unexpected error; the service's log has a line with this response's X-Request-ID"
EXHAUSTED = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM))
RETRY_AFTER_S = 1  # used if the time until the next attempt can succeed is unknown


def to_json(content: Any) -> bytes:
    """Serialize `content`, which may hold structs and numpy arrays. A float32 gets as few digits as identify it."""
    return orjson.dumps(content, default=msgspec.to_builtins, option=orjson.OPT_SERIALIZE_NUMPY)


def json_body(content: Any) -> bytes:
    """Serialize `content` as a body. It ends with a line end, so that a terminal's prompt is on a line of its own."""
    return orjson.dumps(
        content, default=msgspec.to_builtins, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE
    )


class Json(Response):
    """A response with `content` as JSON."""

    media_type = JSON_TYPE.decode()

    def render(self, content: Any) -> bytes:
        return json_body(content)


async def send_body(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    """Send a whole response from an ASGI endpoint. Content-Length is added to `headers`."""
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def problem(error: RequestError) -> Response:
    """Return the problem details of an error."""
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
    elif isinstance(error, UnknownEncoding):
        headers["Accept-Encoding"] = "gzip, deflate"
    elif isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    elif isinstance(error, MethodNotAllowed):
        headers["Allow"] = ", ".join(error.allowed)
    return Response(json_body(content), error.status, headers, PROBLEM_TYPE.decode())


def error_response(scope: Scope, error: RequestError) -> Response:
    """Return `problem`, or for the compatibility APIs the error format of their clients: `error` is a plain string."""
    scope["refusal"] = error.detail  # for the log
    if isinstance(error, QueueFull | Unavailable):
        scope[REASON] = error.reason
    response = problem(error)
    if not scope["path"].startswith(COMPAT_PATHS):
        return response
    status = 400 if error.status in (415, 422) else error.status
    headers = {
        name: value for name, value in response.headers.items() if name not in ("content-length", "content-type")
    }
    return Json({"error": error.detail}, status, headers)


async def on_request_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError), "the handler is registered for this class only"
    return error_response(request.scope, error)


async def on_unexpected_error(request: Request, error: Exception) -> Response:
    return error_response(request.scope, unexpected(error))


def unexpected(error: Exception) -> RequestError:
    """Return a 503 if the machine has run out of something that it may have again, and an InternalError otherwise."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in EXHAUSTED):
        return Unavailable(f"the machine has run out of something: {str(error) or 'memory'}", "resources")
    return InternalError(UNEXPECTED)


def redis_unavailable(error: Exception) -> Unavailable:
    """Return the 503 for an error of Redis."""
    return Unavailable(explain(error), "redis")


def unreadable(error: MnistifiedError) -> RequestError:
    """Return the error of a request that needs a value in Redis which this process cannot read."""
    if isinstance(error, EntryFormatError):
        return Unavailable(f"{error}: repeat the request, another API process may be of a release that reads it")
    return InferenceFailed(f"the stored result cannot be read: {error}")


async def on_unreadable(request: Request, error: Exception) -> Response:
    assert isinstance(error, EntryError | ContractError), "the handler is registered for these classes only"
    return error_response(request.scope, unreadable(error))


async def send_problem(scope: Scope, receive: Receive, send: Send, error: RequestError) -> None:
    """Send `error_response` from an ASGI endpoint."""
    await error_response(scope, error)(scope, receive, send)
