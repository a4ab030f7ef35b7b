"""What a client raises, in one tree. What is wrong with an image or a file before anything is sent is a ValueError,
TypeError or OSError.

MnistifiedError
├── Unreachable           no answer: no connection, or none within the timeout
└── ServiceError          an answer that is an error, with its status and detail
    ├── Refused           4xx  what was asked for cannot be done
    │   ├── AccessDenied  401, 403  no key, an unknown one, or one that may not do this
    │   ├── NotFound      404  no such result, model, test image
    │   ├── Conflict      409  an idempotency key that belongs to other images
    │   └── QueueFull     429  the queue is full, or a key's limit is reached
    └── ServiceFailed     5xx, or an answer that is not the service's
        └── Unavailable   503  Redis or every worker is away
"""

import json
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

MAX_DETAIL_CHARS = 300  # of a body that is no problem document: a proxy's page


class MnistifiedError(Exception):
    """Root of every error that this package raises on purpose."""


class Unreachable(MnistifiedError):
    """`again`: nothing speaks against trying again, which is not so for a timeout that has been waited out."""

    def __init__(self, detail: str, again: bool = True) -> None:
        super().__init__(detail)
        self.again = again


class ServiceError(MnistifiedError):
    """`problem` is the reply's document (RFC 9457), `retry_after_s` what the service said of coming back."""

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


class Refused(ServiceError):
    pass


class AccessDenied(Refused):
    pass


class NotFound(Refused):
    pass


class Conflict(Refused):
    pass


class QueueFull(Refused):
    pass


class ServiceFailed(ServiceError):
    pass


class Unavailable(ServiceFailed):
    pass


BY_STATUS = {401: AccessDenied, 403: AccessDenied, 404: NotFound, 409: Conflict, 429: QueueFull, 503: Unavailable}


def error_of(status: int, headers: Mapping[str, str], content: bytes, now_s: float) -> ServiceError:
    """The error that a reply of `status` 300 or more stands for; `now_s` is the time since the epoch."""
    try:
        problem = json.loads(content)
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        problem = {"detail": content[:MAX_DETAIL_CHARS].decode("utf-8", "replace").strip() or "no detail"}
    kind = BY_STATUS.get(status, ServiceFailed if status >= 500 else Refused)
    title = str(problem.get("title", "Error"))
    detail = str(problem.get("detail", problem.get("error", "no detail")))
    return kind(status, title, detail, problem, retry_after_s(headers.get("retry-after"), now_s))


def retry_after_s(text: str | None, now_s: float) -> float | None:
    """`Retry-After`, which is seconds or a date; None for what is neither."""
    if text is None:
        return None
    if text.strip().isdecimal():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now_s)
    except ValueError:
        return None
