"""The meaning of each kind of Redis error, in one place for all connections of a process.

redis-py creates its errors by `BaseParser.parse_error`, and so does Celery, whose connections are redis-py's. Importing
this module replaces that function. The API's own connection (`api/queue/redis_wire.py`) calls `parse_error` directly.
"""

import re
import ssl
from typing import Literal

from redis._parsers.base import BaseParser
from redis.exceptions import (
    AskError,
    AuthenticationError,
    AuthorizationError,
    ClusterCrossSlotError,
    NoPermissionError,
    RedisError,
    TimeoutError,
    WatchError,
)
from redis.exceptions import ConnectionError as RedisConnectionError

# wait: a condition passes, so retry later. reconnect: this server is the wrong one or the connection is broken, so
# retry on a new connection. refuse: the settings have to be changed. fail: only this command fails.
Meaning = Literal["wait", "reconnect", "refuse", "fail"]

# The conditions that pass, by the code of the error: their meaning, and an explanation for clients.
CONDITIONS: dict[str, tuple[Meaning, str]] = {
    "READONLY": ("reconnect", "it is a replica at present, probably because of a failover"),
    "UNBLOCKED": ("reconnect", "it is becoming a replica because of a failover"),
    "MASTERDOWN": ("reconnect", "it is a replica without a master at present"),
    "MISCONF": ("wait", "it cannot write to its disk, which may be full"),
    "OOM": ("wait", "its memory is full (maxmemory)"),
    "NOREPLICAS": ("wait", "it has fewer replicas than min-replicas-to-write at present"),
    "BUSY": ("wait", "it is busy with a script"),
    "LOADING": ("wait", "it is loading its data after a start"),
    "CLUSTERDOWN": ("wait", "its cluster is down"),
    "TRYAGAIN": ("wait", "its cluster is moving keys"),
}
LOGIN_REFUSED = "Redis refuses the service's login or permissions: correct the user or password in REDIS_URL"
CLUSTER_REFUSED = "REDIS_URL is a Redis Cluster, which the service does not support: it needs a single master"
CHANGE_INTERRUPTED = "Redis is unavailable: the change was interrupted several times; nothing is changed"
COMMAND_FAILED = "Redis refused a command of the service; the log has the reason"
_IN_SCRIPT = re.compile(r"^ERR Error running script .*?: -?([A-Z]+) ", re.DOTALL)  # Redis 6.2 wraps the error


class ConditionError(RedisConnectionError):
    """A condition of CONDITIONS, which is `code`.

    It counts as a lost connection, so redis-py and Celery drop the connection and try again on a new one.
    """

    def __init__(self, text: str, code: str) -> None:
        super().__init__(text, status_code=code)
        self.code = code


_parse_other = BaseParser.parse_error


def parse_error(text: str) -> RedisError:
    """Return the exception for an error reply, such as `READONLY You can't write …`."""
    wrapped = _IN_SCRIPT.match(text)
    code = wrapped[1] if wrapped else text.partition(" ")[0]
    if code in CONDITIONS:
        return ConditionError(text, code)
    error: RedisError = _parse_other(text)  # type: ignore[no-untyped-call]
    return error


BaseParser.parse_error = staticmethod(parse_error)  # type: ignore[method-assign]


def meaning_of(error: BaseException) -> Meaning:
    """Return how to react to an error of redis-py or of `parse_error`."""
    if isinstance(error, ConditionError):
        return CONDITIONS[error.code][0]
    if _is_login(error) or isinstance(error, AskError | ClusterCrossSlotError):  # MovedError is an AskError
        return "refuse"
    if isinstance(error, RedisConnectionError | TimeoutError | OSError):
        return "reconnect"
    return "wait" if isinstance(error, WatchError) else "fail"


def passes(error: BaseException) -> bool:
    """Return whether a later attempt can succeed without anybody's action on this process."""
    return meaning_of(error) in ("wait", "reconnect")


def explain(error: BaseException) -> str:
    """Return a sentence for clients, without the text of a script or a command."""
    if isinstance(error, ConditionError):
        return f"Redis is unavailable: {CONDITIONS[error.code][1]} ({error.code})"
    if isinstance(error.__context__, ssl.SSLCertVerificationError):
        return f"Redis's TLS certificate is not trusted: {error}"
    if _is_login(error):
        return LOGIN_REFUSED
    if isinstance(error, AskError | ClusterCrossSlotError):
        return CLUSTER_REFUSED
    if isinstance(error, RedisConnectionError | TimeoutError | OSError):
        return f"Redis is unreachable: {error}"
    return CHANGE_INTERRUPTED if isinstance(error, WatchError) else COMMAND_FAILED


def _is_login(error: BaseException) -> bool:
    """redis-py raises an error of a certificate as a lost connection; the context has the original error."""
    refused = isinstance(error, AuthenticationError | AuthorizationError | NoPermissionError)
    return refused or isinstance(error.__context__, ssl.SSLCertVerificationError)
