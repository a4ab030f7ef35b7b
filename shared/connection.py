"""How the API and the worker connect to Redis."""

import ssl
from collections.abc import Callable
from typing import Any

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.exceptions import AuthenticationError
from redis.retry import Retry

from shared.settings import Settings

# redis-py types each reply as whatever any protocol version could give; the callers know which command they sent.
Client = Any

CONNECT_TIMEOUT_S = 2.0
SOCKET_TIMEOUT_S = 5.0
FOREVER = -1
MAX_CONNECTIONS = 100


def api_client(settings: Settings) -> Client:
    """Never retries: while Redis is away its callers get an error at once, and a write is never made twice."""
    pool = redis.asyncio.BlockingConnectionPool.from_url(
        settings.redis_url,
        max_connections=MAX_CONNECTIONS,
        timeout=SOCKET_TIMEOUT_S,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        socket_timeout=SOCKET_TIMEOUT_S,
        retry=AsyncRetry(NoBackoff(), 0),
    )
    return redis.asyncio.Redis.from_pool(pool)


def worker_client(settings: Settings, *, patient: bool) -> Client:
    """One connection, for one thread at a time; a pool's own work takes longer than some commands.

    A patient client retries for ever, once a second at the most, so its callers block while Redis is away. What no
    waiting mends, it raises too: a password or a certificate that is refused.
    """
    return redis.Redis.from_url(
        settings.redis_url,
        single_connection_client=True,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        socket_timeout=SOCKET_TIMEOUT_S,
        retry=RetryWhileAway(ExponentialBackoff(cap=1.0, base=0.05), FOREVER if patient else 1),
    )


class RetryWhileAway(Retry):
    """Of redis-py's `Retry`, what a Redis that is there and refuses us does not need."""

    def call_with_retry(
        self,
        do: Callable[[], Any],
        fail: Callable[..., Any],
        is_retryable: Callable[[Exception], bool] | None = None,
        with_failure_count: bool = False,
    ) -> Any:
        def may_pass(error: Exception) -> bool:
            return not _is_refusal(error) and (is_retryable is None or is_retryable(error))

        return super().call_with_retry(do, fail, may_pass, with_failure_count)


def _is_refusal(error: Exception) -> bool:
    """redis-py raises a certificate's error anew as a lost connection."""
    return isinstance(error, AuthenticationError) or isinstance(error.__context__, ssl.SSLCertVerificationError)
