"""Requests and replies without I/O, which both clients share.

An exchange is a generator. It yields calls and pauses, receives the reply to each call, and returns its result.
"""

import itertools
import json
import random
import re
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, TypeVar

import httpx

from mnistified.errors import MnistifiedError, ServiceError, ServiceFailed, Unreachable, error_of

FIRST_DELAY_S = 0.2
MAX_DELAY_S = 20.0
MAX_RETRY_AFTER_S = 300.0  # for a longer Retry-After, the error is raised at once
ERROR_NUMBER = re.compile(r"\[Errno -?\d+\] ")  # as the operating system names its errors
RETRIED_STATUSES = (429, 503)


@dataclass(frozen=True)
class Body:
    """A request body. `chunks` returns the same bytes on each call, for retries. `size_bytes` is None if unknown.

    `spool` is a temporary file that holds the bytes. The client closes it after the request. `skipped` names the files
    of a folder that are not sent.
    """

    chunks: Callable[[], Iterator[bytes]]
    content_type: str = "application/octet-stream"
    size_bytes: int | None = None
    spool: IO[bytes] | None = None
    skipped: Sequence[str] = ()


@dataclass(frozen=True)
class Call:
    """An HTTP request. `timeout_s` replaces the timeout of the client."""

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Body | None = None
    timeout_s: float | None = None

    def request_headers(self) -> dict[str, str]:
        headers = dict(self.headers)
        if self.body is not None:
            headers["Content-Type"] = self.body.content_type
            if self.body.size_bytes is not None:
                headers["Content-Length"] = str(self.body.size_bytes)
        return headers


@dataclass(frozen=True)
class Pause:
    """A pause before the next attempt, because of `reason`."""

    seconds: float
    reason: str = ""


@dataclass(frozen=True)
class Reply:
    """An HTTP response. Look up `headers` in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    def json(self) -> Any:
        """Decode the content. Raises ServiceFailed if it is not JSON, which means that another server answered."""
        try:
            return json.loads(self.content)
        except ValueError:
            raise ServiceFailed(self.status, "Not JSON", "the answer is not JSON: is this the API?") from None


T = TypeVar("T")
Exchange = Generator[Call | Pause, Reply | None, T]


def retrying(call: Call, retries: int) -> Exchange[Reply]:
    """Send `call`, with up to `retries` retries for errors that may be temporary. Raises MnistifiedError."""
    for attempt in itertools.count():
        error: MnistifiedError
        try:
            reply = yield call
        except Unreachable as unreachable:
            error = unreachable
        else:
            assert reply is not None, "a call is answered by a reply"
            if reply.status < 300:
                return reply
            error = error_of(reply.status, reply.headers, reply.content, time.time())
        delay_s = retry_delay_s(error, attempt, random.random())  # noqa: S311, jitter is not secret
        if delay_s is None or attempt >= retries:
            raise error
        yield Pause(delay_s, str(error))
    raise AssertionError("unreachable: the count is infinite")


def retry_delay_s(error: MnistifiedError, attempt: int, jitter: float) -> float | None:
    """Return the delay before the next attempt, or None if there should be no retry. `jitter` is from 0 to 1.

    The delay doubles with each attempt. `jitter` shortens it by up to half, but never below `Retry-After`.
    """
    min_delay_s = 0.0
    if isinstance(error, ServiceError):
        # 409 with Retry-After means that the service still receives the upload of an earlier attempt.
        if error.status not in RETRIED_STATUSES and not (error.status == 409 and error.retry_after_s is not None):
            return None
        min_delay_s = error.retry_after_s or 0.0
    elif isinstance(error, Unreachable) and not error.retryable:
        return None
    if min_delay_s > MAX_RETRY_AFTER_S:
        return None
    backoff_s = min(MAX_DELAY_S, FIRST_DELAY_S * 2.0**attempt) * (1 - jitter / 2)
    return max(min_delay_s, backoff_s)


def unreachable(error: httpx.TransportError, url: str) -> Unreachable:
    """Return the exception for a transport error. Failed connections can be retried, but answers that time out not."""
    timed_out = isinstance(error, httpx.TimeoutException) and not isinstance(error, httpx.ConnectTimeout)
    reason = ERROR_NUMBER.sub("", str(error)) or type(error).__name__
    return Unreachable(f"{url}: {reason}", retryable=not timed_out)
