"""How the API and the worker connect to Redis."""

import ssl
from collections.abc import Callable
from typing import Any

import redis
import redis.asyncio
import redis.asyncio.sentinel
import redis.sentinel
from redis._parsers.base import BaseParser
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.driver_info import DriverInfo
from redis.exceptions import AuthenticationError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from shared.config.sentinels import parse_sentinels
from shared.config.settings import Settings

# redis-py types each reply as whatever any protocol version could give; the callers know which command they sent.
Client = Any

CONNECT_TIMEOUT_S = 2.0
SOCKET_TIMEOUT_S = 5.0
SENTINEL_TIMEOUT_S = 1.0  # of one that is away: the next one is asked
FOREVER = -1
MAX_CONNECTIONS = 100
ASK_SENTINEL = {"socket_connect_timeout": SENTINEL_TIMEOUT_S, "socket_timeout": SENTINEL_TIMEOUT_S}

DRIVER_INFO = DriverInfo()  # made once: redis-py looks its own version up on disk, for each connection, in milliseconds

# A Redis whose replicas are away (`min-replicas-to-write`) takes no writes for now, which passes. redis-py takes it for
# an error of the caller's, at which a worker would end: ours, and Celery's by itself.
BaseParser.EXCEPTION_CLASSES["NOREPLICAS"] = RedisConnectionError


def api_client(settings: Settings) -> Client:
    """Never retries: while Redis is away its callers get an error at once, and a write is never made twice."""
    options: dict[str, Any] = {
        "max_connections": MAX_CONNECTIONS,
        "timeout": SOCKET_TIMEOUT_S,
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "socket_timeout": SOCKET_TIMEOUT_S,
        "retry": AsyncRetry(NoBackoff(), 0),
        "driver_info": DRIVER_INFO,
    }
    sentinels = parse_sentinels(settings.redis_url)
    if sentinels is None:
        pool = redis.asyncio.BlockingConnectionPool.from_url(settings.redis_url, **options)
        return redis.asyncio.Redis.from_pool(pool)
    asking = sentinels.own_options | ASK_SENTINEL | {"retry": AsyncRetry(NoBackoff(), 0)}
    asked = redis.asyncio.sentinel.Sentinel(sentinels.hosts, sentinel_kwargs=asking)  # type: ignore[no-untyped-call]
    masters = MasterPool(sentinels.service, asked, **sentinels.options, **options)  # type: ignore[no-untyped-call]
    return redis.asyncio.Redis.from_pool(masters)


class MasterPool(redis.asyncio.sentinel.SentinelConnectionPool, redis.asyncio.BlockingConnectionPool):
    """Connections to the master of the moment; whoever finds all of them in use waits for one, as without Sentinel."""


def worker_client(settings: Settings, *, patient: bool) -> Client:
    """One connection, for one thread at a time; a pool's own work takes longer than some commands.

    A patient client retries for ever, once a second at the most, so its callers block while Redis is away. What no
    waiting mends, it raises too: a password or a certificate that is refused.
    """
    options: dict[str, Any] = {
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "socket_timeout": SOCKET_TIMEOUT_S,
        "retry": RetryWhileAway(ExponentialBackoff(cap=1.0, base=0.05), FOREVER if patient else 1),
    }
    sentinels = parse_sentinels(settings.redis_url)
    if sentinels is None:
        return redis.Redis.from_url(settings.redis_url, single_connection_client=True, **options)
    asking = sentinels.own_options | ASK_SENTINEL | {"retry": Retry(NoBackoff(), 0)}
    asked = redis.sentinel.Sentinel(sentinels.hosts, sentinel_kwargs=asking)  # type: ignore[no-untyped-call]
    masters = redis.sentinel.SentinelConnectionPool(  # type: ignore[no-untyped-call]
        sentinels.service,
        asked,
        connection_class=TlsToMaster if "ssl" in sentinels.options else ToMaster,
        **{name: value for name, value in sentinels.options.items() if name != "ssl"},
        **options,
    )
    return redis.Redis(connection_pool=masters, single_connection_client=True)


class _AskingAnew:
    """redis-py asks the Sentinels for a pool's first connect only; one that is kept would go back to the old master."""

    connection_pool: Any

    def _connect(self) -> Any:
        self.host, self.port = self.connection_pool.get_master_address()
        return super()._connect()  # type: ignore[misc]


class ToMaster(_AskingAnew, redis.sentinel.SentinelManagedConnection):
    """A connection to the master of the moment."""


class TlsToMaster(_AskingAnew, redis.sentinel.SentinelManagedSSLConnection):
    """The same over TLS."""


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
