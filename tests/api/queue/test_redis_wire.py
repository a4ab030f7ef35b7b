import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop
from redis import exceptions

from api.queue import redis_wire as wire_module
from api.queue.redis_wire import Wires, open_wire
from shared.config.settings import load_settings
from shared.redis.clients import AsyncClient, SyncClient
from shared.redis.connection import api_client
from shared.redis.errors import meaning_of
from tests.support.bad_redis import BadRedis


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[tuple[AsyncClient, Wires]]:
    """Yield a client of the API, and wires on top of the client."""
    api = api_client(load_settings({"REDIS_URL": url}))
    wires = Wires(api)
    try:
        yield api, wires
    finally:
        wires.close()
        await api.aclose()


async def test_every_caller_gets_its_own_replies(client: SyncClient, scratch_url: str) -> None:
    async with connected(scratch_url) as (_, wires):
        replies = await asyncio.gather(*(wires.call(("ECHO", f"{number}"), ("INCR", "n")) for number in range(100)))
        assert [echo for echo, _ in replies] == [b"%d" % number for number in range(100)]
        assert [count for _, count in replies] == list(range(1, 101))
    assert client.get("n") == b"100"


async def test_all_callers_share_one_connection(client: SyncClient, scratch_url: str) -> None:
    async with connected(scratch_url) as (_, wires):
        ids = {reply for (reply,) in await asyncio.gather(*(wires.call(("CLIENT", "ID")) for _ in range(20)))}
        assert len(ids) == 1


async def test_a_failed_command_does_not_affect_other_commands(client: SyncClient, scratch_url: str) -> None:
    async with connected(scratch_url) as (_, wires):
        before, refused, after = await wires.call(("SET", "a", "b"), ("INCR", "a"), ("GET", "a"))
        assert (before, after) == (b"OK", b"b")
        assert isinstance(refused, exceptions.ResponseError)


async def test_the_reply_of_a_cancelled_caller_is_discarded(client: SyncClient, scratch_url: str) -> None:
    async with connected(scratch_url) as (_, wires):
        await wires.call(("PING",))
        gone = asyncio.ensure_future(wires.call(("ECHO", "mine")))
        await asyncio.sleep(0)
        gone.cancel()
        assert await wires.call(("ECHO", "yours")) == [b"yours"]


async def test_a_lost_connection_fails_its_callers_and_is_replaced(client: SyncClient, scratch_url: str) -> None:
    async with connected(scratch_url) as (api, wires):
        (connection_id,) = await wires.call(("CLIENT", "ID"))
        waiting = asyncio.ensure_future(wires.call(("BLPOP", "nothing", "0")))
        await asyncio.sleep(0)
        await api.client_kill_filter(_id=connection_id)
        with pytest.raises(exceptions.ConnectionError, match="lost"):
            await waiting
        assert await wires.call(("ECHO", "again")) == [b"again"]


async def test_a_connection_that_is_lost_between_two_replies_keeps_the_first(
    client: SyncClient, scratch_url: str
) -> None:
    stored_first = asyncio.Event()
    async with connected(scratch_url) as (api, wires):
        (connection_id,) = await wires.call(("CLIENT", "ID"))
        heard = await open_wire(api, lambda channel, data: stored_first.set())
        await heard.subscribe("stored")
        waiting = asyncio.ensure_future(wires.call(("PUBLISH", "stored", ""), ("BLPOP", "nothing", "0"), ("GET", "a")))
        await stored_first.wait()
        await api.client_kill_filter(_id=connection_id)
        stored, blocked, unknown = await waiting
        assert stored == 1
        heard.close()
        assert isinstance(blocked, exceptions.ConnectionError)
        assert unknown is blocked


async def test_a_connection_to_a_server_that_became_a_replica_is_replaced(tmp_path: Path) -> None:
    server = BadRedis(tmp_path)
    async with connected(server.url) as (_, wires):
        (before,) = await wires.call(("CLIENT", "ID"))
        with server.read_only():
            refused, _ = await wires.call(("SET", "a", "b"), ("PING",))
            assert meaning_of(refused) == "reconnect"
        written, after = await wires.call(("SET", "a", "b"), ("CLIENT", "ID"))
        assert (written, after != before) == (b"OK", True)
    server.stop()


async def test_a_condition_keeps_the_connection(tmp_path: Path) -> None:
    server = BadRedis(tmp_path)
    async with connected(server.url) as (_, wires):
        (before,) = await wires.call(("CLIENT", "ID"))
        with server.full_disk():
            (refused,) = await wires.call(("SET", "a", "b"))
            assert meaning_of(refused) == "wait"
        assert await wires.call(("SET", "a", "b"), ("CLIENT", "ID")) == [b"OK", before]
    server.stop()


async def test_a_command_without_a_reply_times_out(
    client: SyncClient, scratch_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire_module, "SOCKET_TIMEOUT_S", 0.2)

    async with connected(scratch_url) as (_, wires):
        assert await wires.call(("ECHO", "quick")) == [b"quick"]
        with pytest.raises(exceptions.TimeoutError, match=r"within 0.2 s"):
            await wires.call(("BLPOP", "nothing", "0"))
        assert await wires.call(("ECHO", "again")) == [b"again"]


async def test_an_unreachable_redis_is_an_error_at_once() -> None:
    async with connected("redis://127.0.0.1:1/0") as (_, wires):
        with pytest.raises(exceptions.ConnectionError):
            await wires.call(("PING",))


async def test_messages_and_replies_are_distinguished(client: SyncClient, scratch_url: str) -> None:
    async with connected(scratch_url) as (api, _):
        heard: list[tuple[bytes, bytes]] = []
        wire = await open_wire(api, lambda channel, data: heard.append((channel, data)))
        await wire.subscribe("one", "two")
        client.publish("one", "a")
        client.publish("three", "b")
        client.publish("two", "c")
        assert await wire.call(("ECHO", "reply")) == [b"reply"]
        assert heard == [(b"one", b"a"), (b"two", b"c")]
        wire.close()
        with pytest.raises(exceptions.ConnectionError, match="closed"):
            await wire.call(("PING",))


async def close_transport(connection: Any) -> None:
    """Close a connection as a reset by Redis does, until uvloop refuses to write."""
    transport = connection._writer.transport
    transport.abort()
    while True:
        try:
            transport.write(b"")
        except RuntimeError:
            return
        await asyncio.sleep(0)


def test_a_connection_that_was_just_reset_is_an_error_of_redis_and_opened_again(scratch_url: str) -> None:
    async def send() -> None:
        async with connected(scratch_url) as (api, _):
            connection: Any = await api.connection_pool.get_connection()  # type: ignore[no-untyped-call]
            await close_transport(connection)
            with pytest.raises(exceptions.ConnectionError, match="is lost: unable to perform operation"):
                await connection.send_command("PING")
            await api.connection_pool.release(connection)
            assert await api.ping()

    uvloop.run(send())


def test_a_connection_that_was_reset_before_a_wire_has_it_is_opened_again(scratch_url: str) -> None:
    async def send() -> None:
        async with connected(scratch_url) as (api, wires):
            pool: Any = api.connection_pool
            make_connection = pool.make_connection

            def make_reset_connection() -> Any:
                connection = make_connection()
                connect = connection.connect

                async def connect_and_reset() -> None:
                    await connect()
                    await close_transport(connection)

                connection.connect = connect_and_reset
                pool.make_connection = make_connection
                return connection

            pool.make_connection = make_reset_connection
            with pytest.raises(exceptions.ConnectionError, match="is lost"):
                await wires.ask("PING")
            assert await wires.ask("ECHO", "again") == b"again"

    uvloop.run(send())
