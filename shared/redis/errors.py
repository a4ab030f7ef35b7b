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
# retry on a new connection. refuse: somebody has to change the settings or Redis, so a program refuses to start. A
# running one retries, because its operator may be changing a password. fail: only this command fails.
Meaning = Literal["wait", "reconnect", "refuse", "fail"]

CORRECT_LOGIN = "correct the user or password in REDIS_URL"
# The conditions of Redis, by the code of the error: their meaning, and an explanation for clients.
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
    "NOAUTH": ("refuse", f"it refuses the service's login: {CORRECT_LOGIN}"),
    "WRONGPASS": ("refuse", f"it refuses the service's login: {CORRECT_LOGIN}"),
    "DENIED": ("refuse", "it is in protected mode, and answers only its own machine"),
    "NOPERM": ("refuse", "it refuses commands or keys that the service needs: correct the permissions of its user"),
}
CLUSTER_REFUSED = "REDIS_URL is a Redis Cluster, which the service does not support: it needs a single master"
CHANGE_INTERRUPTED = "Redis is unavailable: the change was interrupted several times; nothing is changed"
COMMAND_FAILED = "Redis refused a command of the service; the log has the reason"
_IN_SCRIPT = re.compile(r"^ERR Error running script .*?: -?([A-Z]+) ", re.DOTALL)  # Redis 6.2 wraps the error
# A command without permission in a script, in the words of Redis 7 and 6.2. Some operators rename commands instead.
_NO_PERMISSION = re.compile(
    r"^NOPERM |^ERR unknown command "
    r"|(ACL failure in script: |The user executing the script can't |Unknown Redis command called )",
)


class ConditionError(RedisConnectionError):
    """A condition of CONDITIONS other than NOPERM, which is `code`.

    It counts as a lost connection, so redis-py and Celery drop the connection and try again on a new one. NOPERM does
    not, because the connection is good for other commands: it is redis-py's NoPermissionError.
    """

    def __init__(self, text: str, code: str) -> None:
        super().__init__(text, status_code=code)
        self.code = code


_parse_other = BaseParser.parse_error


def parse_error(text: str) -> RedisError:
    """Return the exception for an error reply, such as `READONLY You can't write …`."""
    if _NO_PERMISSION.search(text):
        return NoPermissionError(text.removeprefix("NOPERM "), status_code="NOPERM")
    wrapped = _IN_SCRIPT.match(text)
    code = wrapped[1] if wrapped else text.partition(" ")[0]
    if code in CONDITIONS:
        return ConditionError(text, code)
    error: RedisError = _parse_other(text)  # type: ignore[no-untyped-call]
    return error


BaseParser.parse_error = staticmethod(parse_error)  # type: ignore[method-assign]


def meaning_of(error: BaseException) -> Meaning:
    """Return how to react to an error of redis-py or of `parse_error`."""
    if code := _code(error):
        return CONDITIONS[code][0]
    if _is_certificate(error) or isinstance(error, AskError | ClusterCrossSlotError):  # MovedError is an AskError
        return "refuse"
    if isinstance(error, RedisConnectionError | TimeoutError | OSError):
        return "reconnect"
    return "wait" if isinstance(error, WatchError) else "fail"


def passes(error: BaseException) -> bool:
    """Return whether a later attempt of this process can succeed."""
    return meaning_of(error) != "fail"


def ends_connection(error: BaseException) -> bool:
    """Return whether the connection on which this error arrived is of no further use."""
    return isinstance(error, RedisConnectionError) and meaning_of(error) in ("reconnect", "refuse")


def explain(error: BaseException) -> str:
    """Return a sentence for clients, without the text of a script or a command."""
    if code := _code(error):
        return f"Redis is unavailable: {CONDITIONS[code][1]} ({code})"
    if _is_certificate(error):
        return f"Redis's TLS certificate is not trusted: {error}"
    if isinstance(error, AskError | ClusterCrossSlotError):
        return CLUSTER_REFUSED
    if isinstance(error, RedisConnectionError | TimeoutError | OSError):
        return f"Redis is unreachable: {error}"
    return CHANGE_INTERRUPTED if isinstance(error, WatchError) else COMMAND_FAILED


def _code(error: BaseException) -> str:
    """Return the key of CONDITIONS for an error, or an empty string. Old servers refuse a password without a code."""
    if isinstance(error, ConditionError):
        return error.code
    if isinstance(error, NoPermissionError):
        return "NOPERM"
    return "WRONGPASS" if isinstance(error, AuthenticationError | AuthorizationError) else ""


def _is_certificate(error: BaseException) -> bool:
    """Return whether the cause is a certificate. redis-py raises its error as a lost connection."""
    return isinstance(error.__context__, ssl.SSLCertVerificationError)
