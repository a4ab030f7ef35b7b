"""Connections of the API and the workers to Redis."""

from collections.abc import Callable, Iterable
from typing import Any

import redis
import redis.asyncio
import redis.asyncio.sentinel
import redis.sentinel
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import AbstractBackoff, ExponentialBackoff, NoBackoff
from redis.driver_info import DriverInfo
from redis.exceptions import AskError, ClusterCrossSlotError, NoPermissionError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from shared.config.sentinels import parse_sentinels
from shared.config.settings import Settings
from shared.redis.clients import AsyncClient, SyncClient
from shared.redis.errors import passes

CONNECT_TIMEOUT_S = 2.0
SOCKET_TIMEOUT_S = 5.0
SENTINEL_TIMEOUT_S = 1.0  # after which the next Sentinel is asked
FOREVER = -1
MAX_CONNECTIONS = 100
RETRIED = (RedisConnectionError, RedisTimeoutError, TimeoutError, NoPermissionError, AskError, ClusterCrossSlotError)
ASK_SENTINEL = {"socket_connect_timeout": SENTINEL_TIMEOUT_S, "socket_timeout": SENTINEL_TIMEOUT_S}

# Made once: redis-py would read its own version from disk for each connection, which takes milliseconds.
DRIVER_INFO = DriverInfo()

_send = AbstractConnection.send_packed_command


async def send_packed_command(
    connection: AbstractConnection, command: bytes | str | Iterable[bytes], check_health: bool = True
) -> None:
    """Send commands. Raises redis-py's errors only.

    If Redis has just reset the connection, uvloop raises a RuntimeError, which redis-py does not recognize.
    """
    try:
        await _send(connection, command, check_health)
    except RuntimeError as error:
        raise RedisConnectionError(f"the connection is lost: {error}") from error


AbstractConnection.send_packed_command = send_packed_command  # type: ignore[assignment, method-assign]


def api_client(settings: Settings) -> AsyncClient:
    """Return a client that never retries: callers get an error at once, and no write is made twice."""
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
        return AsyncClient.from_pool(pool)
    asking = sentinels.own_options | ASK_SENTINEL | {"retry": AsyncRetry(NoBackoff(), 0)}
    asked = redis.asyncio.sentinel.Sentinel(sentinels.hosts, sentinel_kwargs=asking)  # type: ignore[no-untyped-call]
    masters = MasterPool(sentinels.service, asked, **sentinels.options, **options)  # type: ignore[no-untyped-call]
    return AsyncClient.from_pool(masters)


async def reopen_connections(client: AsyncClient) -> None:
    """Close the idle connections of a client now, and the others once their commands have ended."""
    pool: Any = client.connection_pool
    for connection in pool._in_use_connections:
        connection.mark_for_reconnect()
    for connection in pool._available_connections:
        await connection.disconnect(nowait=True)


class MasterPool(redis.asyncio.sentinel.SentinelConnectionPool, redis.asyncio.BlockingConnectionPool):
    """A pool of connections to the current master. A caller waits while all connections are in use."""


def ignore_failure(error: Exception) -> None:
    """Do nothing."""


def worker_client(
    settings: Settings, *, patient: bool, on_failure: Callable[[Exception], None] = ignore_failure
) -> SyncClient:
    """Return a client with one connection, for one thread at a time. A pool would cost more time than some commands.

    A patient client retries forever, at most once per second, so its callers block while Redis is away, accepts no
    writes, or refuses us. `on_failure` is called with the error of each attempt, and must be a function, because
    redis-py copies the objects of methods.
    """
    options: dict[str, Any] = {
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "socket_timeout": SOCKET_TIMEOUT_S,
        "retry": RetryWhileAway(ExponentialBackoff(cap=1.0, base=0.05), FOREVER if patient else 1, on_failure),
    }
    sentinels = parse_sentinels(settings.redis_url)
    if sentinels is None:
        return SyncClient.from_url(settings.redis_url, single_connection_client=True, **options)
    asking = sentinels.own_options | ASK_SENTINEL | {"retry": Retry(NoBackoff(), 0)}
    asked = redis.sentinel.Sentinel(sentinels.hosts, sentinel_kwargs=asking)  # type: ignore[no-untyped-call]
    masters = redis.sentinel.SentinelConnectionPool(  # type: ignore[no-untyped-call]
        sentinels.service,
        asked,
        connection_class=TlsToMaster if "ssl" in sentinels.options else ToMaster,
        **{name: value for name, value in sentinels.options.items() if name != "ssl"},
        **options,
    )
    return SyncClient(connection_pool=masters, single_connection_client=True)


class _AsksSentinels:
    """Asks the Sentinels at each connect. redis-py asks them only once per pool, and would return to the old master."""

    connection_pool: Any

    def _connect(self) -> Any:
        self.host, self.port = self.connection_pool.get_master_address()
        return super()._connect()  # type: ignore[misc]


class ToMaster(_AsksSentinels, redis.sentinel.SentinelManagedConnection):
    """A connection to the current master."""


class TlsToMaster(_AsksSentinels, redis.sentinel.SentinelManagedSSLConnection):
    """A connection to the current master over TLS."""


class RetryWhileAway(Retry):
    """Retries while Redis is away, in a condition that passes, or refuses us, and calls `on_failure` each time."""

    def __init__(self, backoff: AbstractBackoff, retries: int, on_failure: Callable[[Exception], None]) -> None:
        super().__init__(backoff, retries, RETRIED)
        self._on_failure = on_failure

    def call_with_retry(
        self,
        do: Callable[[], Any],
        fail: Callable[..., Any],
        is_retryable: Callable[[Exception], bool] | None = None,
        with_failure_count: bool = False,
    ) -> Any:
        def may_pass(error: Exception) -> bool:
            self._on_failure(error)
            return passes(error) and (is_retryable is None or is_retryable(error))

        return super().call_with_retry(do, fail, may_pass, with_failure_count)
