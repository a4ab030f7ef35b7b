"""The API among processes of other releases: it reads what it can, and says what it cannot."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import orjson
import pytest

from api.http.access import ANYONE
from api.http.responses import redis_unavailable
from api.metrics import Metrics
from api.queue import workers as workers_module
from api.queue.answers.job_view import chunk_items
from api.queue.classify_request import ClassifyRequest
from api.queue.enqueue import Enqueuer, Outcome
from api.queue.redis_health import RECOUNT
from api.queue.redis_wire import Wires
from api.queue.singles.waiting_image import AwaitedImage
from api.queue.wakeups import Wakeups
from api.queue.workers import Workers
from api.versions.promotion import read_changes
from shared.config.settings import Settings
from shared.contract.alias import CHANGE_CODEC, Alias, AliasChange
from shared.contract.block import Block
from shared.contract.block.codec import encode_block
from shared.contract.dead_letter import DEAD_LETTER_CODEC, DeadLetter
from shared.contract.entry import FORMAT, Entry
from shared.contract.job import Job, Manifest
from shared.errors import EntryFormatError, InferenceFailed, Unavailable
from shared.redis import keys
from shared.redis.clients import AsyncClient, SyncClient
from shared.redis.clock import RedisClock
from shared.redis.connection import api_client
from tests.support.api_in_process import running_api
from tests.support.heartbeats import write_heartbeat
from tests.support.processes import wait_until

BLOCK = encode_block(Block(np.array([7, 3], np.uint16), np.zeros((2, 10), np.float32), "cnn@1", "w1", 1, 2, 0.0, 0.0))
OTHER_BLOCK = BLOCK.replace(b'"n":2', b'"v":3')  # a format in which `n` has another name
JOB = Job(id="j1", model="cnn@1", created_ms=0, chunk_images=2, total=2, done=2, finished_ms=1)
LETTER = DEAD_LETTER_CODEC.encode(
    DeadLetter(model="cnn@1", lane="interactive", client="", reason="died", attempts=3, at_ms=1, position=0)
)


@contextlib.asynccontextmanager
async def connected(url: str) -> AsyncIterator[AsyncClient]:
    """Yield a client of the API."""
    here = api_client(Settings(redis_url=url))
    yield here
    await here.aclose()


def workers_of(here: AsyncClient) -> Workers:
    settings = Settings()
    return Workers(here, Enqueuer(here, Wires(here), Metrics(), settings, redis_unavailable), RedisClock(), ttl_s=15)


def awaited() -> AwaitedImage:
    return AwaitedImage(bytes(784), ClassifyRequest(model="cnn@1", caller=ANYONE))


async def test_a_worker_with_a_heartbeat_that_cannot_be_read_still_serves(
    client: SyncClient, scratch_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with connected(scratch_url) as here:
        workers = workers_of(here)
        write_heartbeat(client, "newer", engines="many", entry_formats=[1, 2])
        assert await workers.refresh() == []
        assert await workers.refresh() == []
        workers.require()
        assert caplog.text.count("worker newer is not in the status") == 1


async def test_a_request_is_refused_if_no_live_worker_reads_its_entries(client: SyncClient, scratch_url: str) -> None:
    async with connected(scratch_url) as here:
        workers = workers_of(here)
        write_heartbeat(client, "newer", entry_formats=[3, 4])
        (worker,) = await workers.refresh()
        assert worker.entry_formats == [3, 4]
        with pytest.raises(Unavailable, match="no worker reads entry format 1, 2: the live workers read 3, 4"):
            workers.require()
        write_heartbeat(client, "older", entry_formats=[1])
        await workers.refresh()
        workers.require()
        with pytest.raises(Unavailable, match="no worker reads entry format 2: the live workers read 1, 3, 4"):
            workers.require([FORMAT])
        write_heartbeat(client, "newer", entry_formats=[2, 3])
        await workers.refresh()
        workers.require()


async def test_the_first_heartbeat_ends_the_refusals_before_the_next_tick(
    client: SyncClient, scratch_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers_module, "TICK_S", 3600)
    async with connected(scratch_url) as here:
        workers = workers_of(here)
        watching = asyncio.create_task(workers.watch())
        with pytest.raises(Unavailable, match="no worker has sent a heartbeat in the last 15 s"):
            workers.require()
        await asyncio.sleep(2 * workers_module.SEARCH_S)
        write_heartbeat(client, "first")
        await asyncio.to_thread(wait_until, lambda: workers.formats, "the worker is known", 10)
        watching.cancel()


async def test_entries_are_written_in_the_format_that_all_live_workers_read_unless_it_cannot_hold_them(
    client: SyncClient, scratch_url: str
) -> None:
    async with connected(scratch_url) as here:
        wires = Wires(here)
        enqueuer = Enqueuer(here, wires, Metrics(), Settings(), redis_unavailable)
        workers = Workers(here, enqueuer, RedisClock(), ttl_s=15)
        entry = Entry("a", "cnn@1", bytes(784), 1)
        parts = Entry("b", "parts@1", bytes(12), 1, shape=(2, 2, 3))
        best = Entry("c", "cnn@1", bytes(784), 1, top=3)

        async def written() -> list[int]:
            await workers.refresh()
            outcomes: asyncio.Future[list[Outcome]] = asyncio.get_running_loop().create_future()
            enqueuer.put([entry, parts, best], "interactive", outcomes.set_result)
            headers: list[dict[str, Any]] = []
            for number, each in enumerate((entry, parts, best)):
                stream = keys.stream(each.model.partition("@")[0], "interactive")
                entry_id = str((await outcomes)[number])
                ((_, fields),) = client.execute_command("XRANGE", stream, entry_id, entry_id)
                headers.append(orjson.loads(fields[b"h"]))
            return [header["v"] for header in headers]

        write_heartbeat(client, "newer")
        assert await written() == [2, 2, 2]
        write_heartbeat(client, "older", entry_formats=[1])
        assert await written() == [1, 2, 2]
        client.zrem(keys.WORKERS, "older")
        assert await written() == [2, 2, 2]
        wires.close()


async def test_a_heartbeat_of_a_release_without_formats_reads_format_1(client: SyncClient, scratch_url: str) -> None:
    async with connected(scratch_url) as here:
        workers = workers_of(here)
        write_heartbeat(client, "older")
        heartbeat = orjson.loads(client.get(keys.worker("older")) or b"")
        del heartbeat["entry_formats"]
        client.set(keys.worker("older"), orjson.dumps(heartbeat))
        (worker,) = await workers.refresh()
        assert worker.entry_formats == [1]


@pytest.mark.parametrize(
    ("data", "error", "detail"),
    [
        (OTHER_BLOCK, Unavailable, "result format 3, this release reads 1, 2: repeat the request"),
        (BLOCK[:-1], InferenceFailed, "the stored result cannot be read: not a block"),
    ],
)
async def test_a_result_that_cannot_be_read_fails_its_own_requests_at_once(
    client: SyncClient, scratch_url: str, data: bytes, error: type[Exception], detail: str
) -> None:
    async with connected(scratch_url) as here:
        wakeups = Wakeups(here)
        bad, good = [awaited(), awaited()], [awaited()]
        bad[1].outcome.cancel()  # a request that timed out
        wakeups.expect("0123456789abcdef", bad)
        wakeups.expect("fedcba9876543210", good)
        wakeups._handle(wakeups.channel.encode(), b"0123456789abcdef" + data)
        wakeups._handle(wakeups.channel.encode(), b"fedcba9876543210" + BLOCK)
        with pytest.raises(error, match=detail):
            await bad[0].outcome
        assert (await good[0].outcome)[0].predictions.tolist() == [7, 3]


def test_the_items_of_a_damaged_block_fail_with_the_reason() -> None:
    items = list(chunk_items(JOB, 0, BLOCK[:-1], Manifest()))
    assert [(item["index"], item["state"]) for item in items] == [(0, "failed"), (1, "failed")]
    assert str(items[0]["error"]).startswith("its result cannot be read: not a block")


def test_the_items_of_a_block_of_another_format_are_left_to_processes_that_read_it() -> None:
    with pytest.raises(EntryFormatError, match="result format 3"):
        list(chunk_items(JOB, 0, OTHER_BLOCK, Manifest()))


async def test_items_of_another_format_are_a_503_and_an_unreadable_job_says_why(
    client: SyncClient, scratch_url: str
) -> None:
    async with running_api(scratch_url) as http:
        job_id = "j0123456789abcdef"
        fields = {
            "model": "cnn@1",
            "created_ms": "0",
            "chunk_images": "2",
            "total": "2",
            "done": "2",
            "finished_ms": "1",
        }
        client.hset(keys.job(job_id), mapping=fields | {"later": b"\xff"})
        client.hset(keys.job_blocks(job_id), "0", OTHER_BLOCK)
        reply = await http.get(f"/results/{job_id}")
        assert reply.json().get("state") == "done", reply.text
        reply = await http.get(f"/results/{job_id}/items")
        assert (reply.status_code, reply.headers["retry-after"]) == (503, "1")
        assert "result format 3, this release reads 1, 2" in reply.json()["detail"]
        client.hset(keys.job(job_id), "total", "many")
        reply = await http.get(f"/results/{job_id}")
        assert reply.status_code == 500
        assert "is not a job" in reply.json()["detail"]


async def test_dead_letters_of_another_release_do_not_hide_the_others(client: SyncClient, scratch_url: str) -> None:
    async with running_api(scratch_url) as http:
        other: Any = client.xadd(keys.DEAD_LETTERS, {"h": b'{"reason": 5}', "x": bytes(784)})
        client.xadd(keys.DEAD_LETTERS, {"h": LETTER, "x": bytes(784)})
        listed = (await http.get("/dead-letters")).json()
        assert ([letter["reason"] for letter in listed["dead_letters"]], listed["total"]) == (["died"], 2)
        reply = await http.post(f"/dead-letters/{other.decode()}/replay")
        assert reply.status_code == 404
        assert "cannot be read by this release" in reply.json()["detail"]
        assert client.xlen(keys.DEAD_LETTERS) == 2


async def test_a_change_of_another_release_does_not_hide_the_others(client: SyncClient, scratch_url: str) -> None:
    async with connected(scratch_url) as here:
        change = AliasChange(at_ms=5, by=None, model="cnn", alias="champion", after=Alias(2))
        client.xadd(keys.CHANGES, {"c": CHANGE_CODEC.encode(change)})
        client.xadd(keys.CHANGES, {"c": b'{"at_ms": "today"}'})
        assert await read_changes(here, "cnn", 10) == [change]


def test_deferred_entries_keep_the_count_of_their_lane(client: SyncClient) -> None:
    counter = keys.queued("cnn", "bulk")
    client.hset(counter, "images", "7")
    client.sadd(keys.DEFERRED, 2)
    call = RECOUNT(
        counter=counter,
        deferred=keys.DEFERRED,
        more_keys=keys.streams("cnn", "bulk"),
        images="images",
        more_args=("5",),
    )
    client.eval(*call)
    assert client.hget(counter, "images") == b"7"
    client.delete(keys.DEFERRED)
    client.eval(*call)
    assert not client.exists(counter)
