"""Entries of singles in a real Redis: each has its own outcome, and its loss is noticed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from api.http.uid import new_uid
from api.metrics import Metrics
from api.queue.classify_request import ClassifyRequest
from api.queue.enqueue import Enqueuer, Outcome
from api.queue.redis_health import RedisHealth
from api.queue.redis_wire import Wires
from api.queue.singles.writer import Singles
from api.queue.wakeups import Wakeups
from shared.config.api_keys import ApiKey
from shared.config.settings import load_settings
from shared.contract.entry import Entry
from shared.errors import Unavailable, WaitTimeout
from shared.redis import keys
from shared.redis.clients import AsyncClient, SyncClient
from shared.redis.clock import RedisClock
from shared.redis.connection import api_client
from shared.shapes import IMAGE_BYTES

Queue = tuple[AsyncClient, Enqueuer, Wakeups, Singles]


@asynccontextmanager
async def queue(url: str) -> AsyncIterator[Queue]:
    """Yield a queue without workers."""
    settings = load_settings({"REDIS_URL": url})
    client = api_client(settings)
    wires = Wires(client)
    wakeups = Wakeups(client)
    enqueuer = Enqueuer(client, wires, Metrics(), settings, RedisHealth(client, wires, wakeups, list, ()).unavailable)
    yield client, enqueuer, wakeups, Singles(wires, enqueuer, wakeups, Metrics(), RedisClock(), settings)
    wires.close()
    await client.aclose()


def entry_of(model: str) -> Entry:
    return Entry(new_uid(), model, bytes(IMAGE_BYTES), 0, "replies")


def ask(singles: Singles, model: str = "cnn@1", wait_s: float = 30.0) -> Awaitable[object]:
    asked = ClassifyRequest(model=model, caller=ApiKey("", ""), wait_s=wait_s)
    return asyncio.ensure_future(singles.classify(bytes(IMAGE_BYTES), asked, asyncio.Event().wait))  # type: ignore[arg-type]


async def written(wakeups: Wakeups, count: int, act: Callable[[], object]) -> None:
    """Call `act`, and wait until `count` entries are on their streams."""
    noted, all_noted, note = [], asyncio.Event(), wakeups.written

    def count_and_note(uid: str, model: str, entry_id: str) -> None:
        note(uid, model, entry_id)
        noted.append(uid)
        if len(noted) == count:
            all_noted.set()

    wakeups.written = count_and_note  # type: ignore[method-assign]
    act()
    await all_noted.wait()


async def test_an_entry_that_redis_cannot_store_does_not_refuse_its_neighbours(
    client: SyncClient, scratch_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    client.set(keys.queued("odd", "interactive"), "not a hash")
    async with queue(scratch_url) as (_, enqueuer, _, _):
        outcomes: asyncio.Future[list[Outcome]] = asyncio.get_running_loop().create_future()
        entries = [entry_of("cnn@1"), entry_of("odd@1"), entry_of("cnn@2")]
        enqueuer.put(entries, "interactive", outcomes.set_result)
        first, refused, last = await outcomes
    assert [entry_id.decode() for entry_id, _ in client.xrange(keys.stream("cnn", "interactive"))] == [first, last]
    assert isinstance(refused, Unavailable)
    assert refused.detail == "Redis refused a command of the service; the log has the reason"
    assert "WRONGTYPE" in caplog.text


async def test_a_redis_that_does_not_know_the_script_gets_it(client: SyncClient, scratch_url: str) -> None:
    async with queue(scratch_url) as (_, enqueuer, _, _):
        for _ in range(2):
            client.script_flush()
            outcomes: asyncio.Future[list[Outcome]] = asyncio.get_running_loop().create_future()
            enqueuer.put([entry_of("cnn@1"), entry_of("cnn@1")], "interactive", outcomes.set_result)
            assert all(isinstance(outcome, str) for outcome in await outcomes)
    assert client.xlen(keys.stream("cnn", "interactive")) == 4


async def test_every_entry_lets_its_lane_live_on(client: SyncClient, scratch_url: str) -> None:
    lane = keys.stream("cnn", "interactive"), keys.queued("cnn", "interactive")
    async with queue(scratch_url) as (_, enqueuer, _, _):
        for _ in range(2):
            outcomes: asyncio.Future[list[Outcome]] = asyncio.get_running_loop().create_future()
            enqueuer.put([entry_of("cnn@1")], "interactive", outcomes.set_result)
            await outcomes
            for key in lane:
                assert keys.OPEN_TTL_S - 60 <= client.ttl(key) <= keys.OPEN_TTL_S
                client.expire(key, keys.OPEN_TTL_S - 100)
    assert client.hgetall(lane[1]) == {b"images": b"2", b"bytes": b"%d" % (2 * entry_of("cnn@1").queued_bytes)}


async def test_singles_whose_entry_is_lost_end_at_the_next_tick(client: SyncClient, scratch_url: str) -> None:
    async with queue(scratch_url) as (_, _, wakeups, singles):
        asked: list[Awaitable[object]] = []
        await written(wakeups, 2, lambda: asked.extend((ask(singles, "cnn@1"), ask(singles, "cnn@2"))))
        client.flushdb()
        sweep = asyncio.create_task(wakeups.sweep())
        for each in asked:
            with pytest.raises(Unavailable, match="Redis has lost this image"):
                await each
        sweep.cancel()


async def test_singles_whose_entry_is_on_its_stream_wait_on(client: SyncClient, scratch_url: str) -> None:
    async with queue(scratch_url) as (_, _, wakeups, singles):
        asked: list[Awaitable[object]] = []
        await written(wakeups, 1, lambda: asked.append(ask(singles, wait_s=0.3)))
        sweep = asyncio.create_task(wakeups.sweep())
        with pytest.raises(WaitTimeout) as late:
            await asked[0]
        assert late.value.entry_id == client.xrange(keys.stream("cnn", "interactive"))[0][0].decode()
        sweep.cancel()
