"""Entries of other releases in a real Redis: they are left for workers that read them, or fail with the reason."""

import json
import re
from typing import Any

import pytest

from api.queue.wakeups import GONE, QUEUED, result_call
from shared.config.settings import Settings
from shared.contract.block.codec import decode_block
from shared.contract.entry import Entry
from shared.contract.entry.codec import encode_header
from shared.contract.lane import Lane
from shared.redis import keys
from shared.redis.clients import SyncClient
from tests.worker.batching.test_leases import Worker, put, taken_over
from tests.worker.support.deliveries_of import images
from worker.batching.deferred import MAX_RETURNED, Deferred

STREAM = keys.stream("cnn", "interactive")
SETTINGS = Settings(result_ttl_s=1000, format_wait_s=60)
IMPATIENT = Settings(result_ttl_s=1000, format_wait_s=0)
HEADER = {"v": 3, "uid": "a", "model": "cnn@1", "at": 0, "n": 2}


def put_raw(
    client: SyncClient, header: Any, pixels: bytes | None = None, lane: Lane = "interactive", shard: int = 0
) -> str:
    """Add an entry of two images as the API adds it, with a header of any kind."""
    pixels = images(2).tobytes() if pixels is None else pixels
    stream = keys.stream("cnn", lane, shard)
    client.xadd(stream, {"h": header if isinstance(header, bytes) else json.dumps(header), "x": pixels})
    for field, count in {
        "images": 2,
        "bytes": len(pixels) + 256,
        **({str(shard): 2} if lane == "bulk" else {}),
    }.items():
        client.hincrby(keys.queued("cnn", lane), field, count)
    return stream


def put_job(client: SyncClient, header: Any, pixels: bytes | None = None, shard: int = 0) -> str:
    """Add an entry that is one of the two chunks of a job."""
    job = {"model": "cnn@1", "created_ms": 0, "chunk_images": 2, "total": 4, "done": 2, "failed": 0, "expired": 0}
    client.hset(keys.job("a"), mapping={name: str(value) for name, value in job.items()})
    return put_raw(client, header, pixels, "bulk", shard)


def read_one(client: SyncClient, stream: str) -> tuple[bytes, dict[bytes, bytes]]:
    """Read the next entry as a worker of another release."""
    reply = client.execute_command("XREADGROUP", "GROUP", keys.GROUP, "older", "COUNT", 1, "STREAMS", stream, ">")
    ((_, ((entry_id, fields),)),) = reply
    return entry_id, fields


def faults_of(data: Any) -> set[tuple[str, str]]:
    assert data is not None
    return set(decode_block(data).faults.values())


def block_of_job(client: SyncClient) -> Any:
    return client.hget(keys.job_blocks("a"), "1")


def queued(client: SyncClient, lane: Lane = "interactive") -> Any:
    return client.hgetall(keys.queued("cnn", lane))


@pytest.mark.parametrize(
    "changes", [{}, {"n": "two"}, {"from": "elsewhere"}, {"v": 0}, {"uid": None}, {"deadlines": {"all": 5}}]
)
def test_an_entry_of_another_format_is_deferred_with_any_other_fields(
    client: SyncClient, changes: dict[str, Any]
) -> None:
    one = Worker(client, "one")
    header: dict[str, Any] = HEADER | changes
    put_raw(client, header, b"other pixels")
    put(client, "b")
    one.pull()
    assert one.held == [("b", 1)]
    assert client.xlen(STREAM) == 1
    assert client.xpending(STREAM, keys.GROUP)["pending"] == 1
    ((_, fields),) = client.xrange(keys.deferred(header["v"]))
    assert (fields[b"stream"], fields[b"x"]) == (STREAM.encode(), b"other pixels")
    assert json.loads(fields[b"h"]) == header
    assert queued(client)[b"images"] == b"4"  # it still counts
    assert client.ttl(keys.deferred(header["v"])) > 0
    assert client.ttl(keys.DEFERRED) > 0


def test_an_api_does_not_take_a_deferred_entry_for_lost(client: SyncClient) -> None:
    one = Worker(client, "one")
    put_raw(client, HEADER)
    ((entry_id, _),) = client.xrange(STREAM)
    call = result_call("a", STREAM, bytes(entry_id).decode())
    one.pull()
    assert client.eval(*call) == QUEUED
    Deferred(client, IMPATIENT).return_to_streams()
    assert client.eval(*call) == QUEUED
    assert client.ttl(keys.moved(STREAM)) > 0
    client.delete(keys.moved(STREAM))
    assert client.eval(*call) == GONE


def test_every_lane_and_shard_gets_its_own_entries_back_from_a_worker_that_reads_them(client: SyncClient) -> None:
    """The worker that deferred them did not read format 1, which this worker does."""
    one = Worker(client, "one")
    streams = [keys.stream("cnn", "interactive"), keys.stream("cnn", "bulk", 0), keys.stream("cnn", "bulk", 7)]
    older = Deferred(client, SETTINGS)
    client.hset(keys.job("j"), "model", "cnn@1")
    for number, stream in enumerate(streams):
        chunk = None if number == 0 else number
        entry = Entry(f"u{number}" if chunk is None else "j", "cnn@1", images(2).tobytes(), 0, chunk=chunk)
        for _ in range(MAX_RETURNED + 1):
            client.xadd(stream, {"h": encode_header(entry), "x": bytes(entry.pixels), "later": b"1"})
            older.defer(stream, read_one(client, stream)[0], 1, deaths=0)
    assert [client.xlen(stream) for stream in streams] == [0, 0, 0]
    Deferred(client, SETTINGS).return_to_streams()
    assert [client.xlen(stream) for stream in streams] == [MAX_RETURNED + 1] * 3
    assert not client.exists(keys.deferred(1), keys.DEFERRED)
    assert all(client.ttl(stream) > 0 for stream in streams)
    (_, fields), *_ = client.xrange(streams[2])
    assert fields[b"later"] == b"1"
    one.pull()
    assert sorted(one.held) == [("j", 1), ("j", 1), *[("u0", 1)] * 8]


def test_deferring_counts_as_no_attempt_but_the_deaths_before_it_do(client: SyncClient) -> None:
    for number in range(50):
        worker = Worker(client, f"worker-{number}")
        put(client, "a") if number == 0 else None
        entry_id, fields = read_one(client, STREAM)
        Deferred(client, SETTINGS).defer(STREAM, entry_id, 1, int(fields.get(b"d", 0)))
        Deferred(client, SETTINGS).return_to_streams()
    worker.pull()
    assert worker.held == [("a", 1)]
    after = taken_over(client, worker, "after")
    assert after.held == [("a", 2)]
    entry_id = after.held_entries.all()[0].entry_id
    Deferred(client, SETTINGS).defer(STREAM, entry_id, 1, deaths=1)
    Deferred(client, SETTINGS).return_to_streams()
    last = Worker(client, "last")
    last.pull()
    assert last.held == [("a", 2)]


def test_a_deferred_entry_waits_as_long_as_a_live_worker_reads_its_format(client: SyncClient) -> None:
    one = Worker(client, "one")
    put_raw(client, HEADER)
    client.zadd(keys.WORKERS, {"newer": 1, "gone": 1, "broken": 1})
    client.set(keys.worker("newer"), b'{"entry_formats": [1, 2, 3], "engines": "many"}')
    client.set(keys.worker("broken"), b"nonsense")
    one.pull()
    Deferred(client, IMPATIENT).return_to_streams()
    assert client.xlen(keys.deferred(3)) == 1
    client.delete(keys.worker("newer"))
    Deferred(client, SETTINGS).return_to_streams()
    assert client.xlen(keys.deferred(3)) == 1
    Deferred(client, IMPATIENT).return_to_streams()
    assert not client.exists(keys.deferred(3))


def test_singles_that_no_live_worker_reads_fail_with_the_reason(client: SyncClient) -> None:
    one = Worker(client, "one")
    put_raw(client, HEADER | {"reply": "channel", "at": "later"}, images(2).tobytes() + b"more")
    one.pull()
    Deferred(client, IMPATIENT).return_to_streams()
    one.pull()
    reason = "no worker has read its entry format 3 for 0 s: the workers read 1, 2"
    assert faults_of(client.get(keys.result("a"))) == {("failed", reason)}
    assert queued(client) == {b"images": b"0", b"bytes": b"0"}
    assert not client.exists(keys.DEFERRED, keys.deferred(3))
    assert one.held == []


def test_a_chunk_that_no_live_worker_reads_fails_and_its_job_ends(client: SyncClient) -> None:
    one = Worker(client, "one")
    put_job(client, HEADER | {"chunk": 1}, shard=5)
    one.pull()
    assert client.hget(keys.job("a"), "finished_ms") is None
    Deferred(client, IMPATIENT).return_to_streams()
    one.pull()
    assert client.hmget(keys.job("a"), "done", "failed") == [b"2", b"2"]
    assert client.hexists(keys.job("a"), "finished_ms")
    assert {state for state, _ in faults_of(block_of_job(client))} == {"failed"}
    assert queued(client, "bulk") == {b"images": b"0", b"bytes": b"0", b"5": b"0"}


def test_an_entry_that_should_fail_is_run_if_the_next_worker_reads_its_format(client: SyncClient) -> None:
    one = Worker(client, "one")
    entry = Entry("a", "cnn@1", images(2).tobytes(), 0)
    client.xadd(STREAM, {"h": encode_header(entry), "x": bytes(entry.pixels), "r": b"nobody reads it"})
    one.pull()
    assert one.held == [("a", 1)]


GOOD = HEADER | {"v": 1, "chunk": 1}


@pytest.mark.parametrize(
    ("header", "pixels", "reason"),
    [
        (GOOD, b"", "carries 0 bytes of pixels"),
        (GOOD, bytes(784), "entry says 2 images and carries 784 bytes"),
        (GOOD, bytes(5000), "carries 5000 bytes"),
        (GOOD | {"at": "soon"}, None, r"Expected `int`, got `str` - at `\$.at`"),
        (GOOD | {"deadlines": [1]}, None, "has 1 deadlines"),
        (GOOD | {"from": [[9, "", ""]]}, None, "an origin"),
        (GOOD | {"v": "1"}, None, r"at `\$.v`"),
        (GOOD | {"v": 10**9}, None, "format 1000000000"),
        (GOOD | {"model": "other@1", "verbose": True}, None, "a verbose entry has one image"),
    ],
)
def test_the_images_of_a_damaged_entry_fail_at_once_with_the_reason(
    client: SyncClient, header: dict[str, Any], pixels: bytes | None, reason: str
) -> None:
    one = Worker(client, "one")
    put_job(client, header, pixels)
    one.pull()
    ((state, fault),) = faults_of(block_of_job(client))
    assert state == "failed"
    assert fault.startswith("its entry cannot be read: ")
    assert re.search(reason, fault)
    assert client.hmget(keys.job("a"), "done", "failed") == [b"2", b"2"]
    assert client.hexists(keys.job("a"), "finished_ms")
    assert queued(client, "bulk") == {b"images": b"0", b"bytes": b"0", b"0": b"0"}
    assert (one.held, client.xlen(keys.stream("cnn", "bulk"))) == ([], 0)
