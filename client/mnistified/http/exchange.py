"""Requests and replies without I/O, so that both clients share everything but the waiting.

An exchange is a generator: it yields what has to be done next, is sent what came of it, and returns what it was for.
"""

import itertools
import json
import random
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any, TypeVar

import httpx

from mnistified.errors import MnistifiedError, ServiceError, ServiceFailed, Unreachable, error_of

FIRST_DELAY_S = 0.2
LONGEST_DELAY_S = 20.0
LONGEST_RETRY_AFTER_S = 300.0  # a service that asks for more is taken at its word: the error is raised
RETRIED_STATUSES = (429, 503)


@dataclass(frozen=True)
class Body:
    """`pieces` gives the same bytes each time that it is called, as a retry needs. `size_bytes`: None where unknown.

    `spool` is a temporary file that the pieces come from: closed once the body is of no more use.
    """

    pieces: Callable[[], Iterator[bytes]]
    content_type: str = "application/octet-stream"
    size_bytes: int | None = None
    spool: IO[bytes] | None = None


@dataclass(frozen=True)
class Call:
    """One HTTP request; `timeout_s` where it takes longer than others."""

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
    seconds: float


@dataclass(frozen=True)
class Reply:
    """`headers` are looked up in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    def json(self) -> Any:
        """Raises ServiceFailed for content that is not JSON: some other server answered."""
        try:
            return json.loads(self.content)
        except ValueError:
            raise ServiceFailed(self.status, "Not JSON", "the answer is not JSON: is this the API?") from None


T = TypeVar("T")
Exchange = Generator[Call | Pause, Reply | None, T]


def retrying(call: Call, retries: int) -> Exchange[Reply]:
    """Send `call`, and again after a pause while it is worth it, `retries` times at most. Raises MnistifiedError."""
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
        delay_s = retry_delay_s(error, attempt, random.random())  # noqa: S311, nothing secret: it spreads clients
        if delay_s is None or attempt >= retries:
            raise error
        yield Pause(delay_s)
    raise AssertionError("counted to the end")


def retry_delay_s(error: MnistifiedError, attempt: int, chance: float) -> float | None:
    """How long to wait before the next attempt, None where there should be none. `chance` is from 0 to 1.

    Twice as long after each attempt, up to a half shorter by chance, never shorter than the service said.
    """
    asked_s = 0.0
    if isinstance(error, ServiceError):
        # A 409 with Retry-After: an earlier attempt's upload is still under way at the service.
        if error.status not in RETRIED_STATUSES and not (error.status == 409 and error.retry_after_s is not None):
            return None
        asked_s = error.retry_after_s or 0.0
    elif isinstance(error, Unreachable) and not error.again:
        return None
    if asked_s > LONGEST_RETRY_AFTER_S:
        return None
    backoff_s = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0**attempt) * (1 - chance / 2)
    return max(asked_s, backoff_s)


def unreachable(error: httpx.TransportError, url: str) -> Unreachable:
    """A connection that fails may be tried again; an answer that did not come in time is not waited for twice."""
    waited_out = isinstance(error, httpx.TimeoutException) and not isinstance(error, httpx.ConnectTimeout)
    return Unreachable(f"{url}: {error or type(error).__name__}", again=not waited_out)
