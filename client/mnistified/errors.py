"""The exceptions of the client. Invalid images and files raise ValueError, TypeError or OSError before the upload.

MnistifiedError
├── Unreachable           no connection, or no answer within the timeout
└── ServiceError          an error response, with its status and detail
    ├── Refused           4xx  the request cannot be fulfilled
    │   ├── AccessDenied  401, 403  the key is missing, unknown, or lacks the permission
    │   ├── NotFound      404  the result, model or test image does not exist
    │   ├── Conflict      409  the idempotency key belongs to other images
    │   └── QueueFull     429  the queue is full, or a limit of the key is reached
    └── ServiceFailed     5xx, or a response of some other server
        └── Unavailable   503  Redis or all workers are unavailable
"""

import json
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

PAGE_TITLE = re.compile(rb"<title>([^<]{1,1000})", re.IGNORECASE)
MAX_TITLE_CHARS = 100
MAX_DETAIL_CHARS = 300  # limit for a body that is not a problem document, e.g. the error page of a proxy


class MnistifiedError(Exception):
    """The base class of all exceptions of this package."""


class Unreachable(MnistifiedError):
    """The service does not answer. `retryable` is False after a timeout, which a retry would double."""

    def __init__(self, detail: str, retryable: bool = True) -> None:
        super().__init__(detail)
        self.retryable = retryable


class ServiceError(MnistifiedError):
    """The service answers with an error. `problem` is its document (RFC 9457), `retry_after_s` its `Retry-After`."""

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        problem: Mapping[str, Any] | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(f"{status} {title}: {detail}")
        self.status = status
        self.title = title
        self.detail = detail
        self.problem = problem or {}
        self.retry_after_s = retry_after_s


class Refused(ServiceError): ...


class AccessDenied(Refused): ...


class NotFound(Refused): ...


class Conflict(Refused): ...


class QueueFull(Refused): ...


class ServiceFailed(ServiceError): ...


class Unavailable(ServiceFailed): ...


BY_STATUS = {401: AccessDenied, 403: AccessDenied, 404: NotFound, 409: Conflict, 429: QueueFull, 503: Unavailable}


def error_of(status: int, headers: Mapping[str, str], content: bytes, now_s: float) -> ServiceError:
    """Return the exception for a reply with a `status` of 300 or more. `now_s` is the time since the epoch."""
    try:
        problem = json.loads(content)
    except ValueError:
        problem = None
    kind = BY_STATUS.get(status, ServiceFailed if status >= 500 else Refused)
    if content.lstrip().startswith(b"<"):
        problem = {"title": "Not the API", "detail": _about_page(content)}
        if kind in (Refused, NotFound):
            kind = ServiceFailed
    elif not isinstance(problem, dict):
        problem = {"detail": content[:MAX_DETAIL_CHARS].decode("utf-8", "replace").strip() or "no detail"}
    title = str(problem.get("title", "Error"))
    detail = str(problem.get("detail", problem.get("error", "no detail")))
    return kind(status, title, detail, problem, retry_after_s(headers.get("retry-after"), now_s))


def _about_page(content: bytes) -> str:
    """Say in a sentence that a web page has answered, with its title."""
    title = PAGE_TITLE.search(content)
    shown = f" ({' '.join(title[1].decode('utf-8', 'replace').split())[:MAX_TITLE_CHARS]!r})" if title else ""
    return f"a web page{shown} answered, which this service does not send: another program or a proxy has this address"


def retry_after_s(text: str | None, now_s: float) -> float | None:
    """Parse `Retry-After`, which has seconds or a date. Returns None if it has neither."""
    if text is None:
        return None
    if text.strip().isdecimal():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now_s)
    except ValueError:
        return None
