"""Results are written once, whoever comes first, together with what they count."""

import numpy as np
import pytest

from shared import keys
from shared.block import decode_block
from shared.connection import Client
from shared.entry import encode_header
from tests.worker.deliveries_of import delivery
from worker.backlog import Delivery
from worker.finish import Finisher
from worker.intake import ensure_groups


@pytest.fixture
def finisher(client: Client) -> Finisher:
    ensure_groups(client, ["cnn"])
    return Finisher(client, "me", result_ttl_s=1000, single_result_ttl_s=100)


def delivered(client: Client, made: Delivery) -> Delivery:
    """The delivery, put on its stream and pulled by the group."""
    made.entry_id = client.xadd(made.stream, {"h": encode_header(made.entry), "x": bytes(made.entry.pixels)})
    client.incrby(keys.queued("cnn", made.lane), made.entry.count)
    client.xreadgroup(keys.GROUP, "me", {made.stream: ">"})
    made.predictions[:] = np.arange(made.entry.count) % 10
    return made


def begin_job(client: Client, total: int | None) -> str:
    job = keys.job("0123456789abcdef")
    fields: dict[str, int | str] = {"model": "cnn@1", "done": 0, "failed": 0, "expired": 0}
    client.hset(job, mapping=fields if total is None else {**fields, "total": total})
    return job


def test_singles_are_written_acknowledged_and_counted_off(client: Client, finisher: Finisher) -> None:
    made = delivered(client, delivery(3, "interactive"))
    assert finisher.finish([made]) == 0
    data = client.get(keys.result(made.entry.uid))
    assert isinstance(data, bytes)
    block = decode_block(data)
    assert block.predictions.tolist() == [0, 1, 2]
    assert block.worker == "me"
    assert 0 < client.ttl(keys.result(made.entry.uid)) <= 100
    assert client.xlen(made.stream) == 0
    assert client.xpending(made.stream, keys.GROUP)["pending"] == 0
    assert client.get(keys.queued("cnn", "interactive")) == b"0"


def test_the_reply_names_its_entry(client: Client, finisher: Finisher) -> None:
    made = delivery(1, "interactive")
    object.__setattr__(made.entry, "reply", "channel")
    with client.pubsub(ignore_subscribe_messages=True) as pubsub:
        pubsub.subscribe("channel")
        pubsub.get_message(timeout=5)
        finisher.finish([delivered(client, made)])
        message = pubsub.get_message(timeout=5)
    assert message is not None
    assert message["data"][:16] == b"0123456789abcdef"
    assert decode_block(message["data"][16:]).count == 1


def test_the_second_to_finish_changes_nothing(client: Client, finisher: Finisher) -> None:
    made = delivered(client, delivery(2, "interactive"))
    assert finisher.finish([made]) == 0
    made.predictions[:] = 9
    assert finisher.finish([made]) == 1
    data = client.get(keys.result(made.entry.uid))
    assert isinstance(data, bytes)
    assert decode_block(data).predictions.tolist() == [0, 1]
    assert client.get(keys.queued("cnn", "interactive")) == b"0"


def test_a_job_ends_with_its_last_chunk_and_says_so(client: Client, finisher: Finisher) -> None:
    job = begin_job(client, total=5)
    first, second = delivery(3, chunk=0), delivery(2, chunk=1)
    second.faults = {1: ("failed", "why")}
    with client.pubsub(ignore_subscribe_messages=True) as pubsub:
        pubsub.subscribe(keys.JOBS_CHANNEL)
        pubsub.get_message(timeout=5)
        finisher.finish([delivered(client, first)])
        assert not client.hexists(job, "finished_ms")
        finisher.finish([delivered(client, second)])
        message = pubsub.get_message(timeout=5)
    assert message is not None
    assert message["data"] == b"0123456789abcdef"
    assert client.hmget(job, "done", "failed") == [b"4", b"1"]
    assert client.hexists(job, "finished_ms")
    assert sorted(client.hkeys(keys.job_blocks("0123456789abcdef"))) == [b"0", b"1"]


def test_a_job_whose_upload_still_runs_is_not_over(client: Client, finisher: Finisher) -> None:
    job = begin_job(client, total=None)
    finisher.finish([delivered(client, delivery(3, chunk=0))])
    assert client.hget(job, "done") == b"3"
    assert not client.hexists(job, "finished_ms")


def test_a_chunk_that_was_queued_twice_counts_once(client: Client, finisher: Finisher) -> None:
    job = begin_job(client, total=9)
    for _ in range(2):
        finisher.finish([delivered(client, delivery(3, chunk=0))])
    assert client.hget(job, "done") == b"3"
    assert client.get(keys.queued("cnn", "bulk")) == b"0"


def test_a_cancelled_job_takes_no_more_results(client: Client, finisher: Finisher) -> None:
    job = begin_job(client, total=3)
    client.hset(job, mapping={"cancelled": 3, "finished_ms": 1})
    assert finisher.finish([delivered(client, delivery(3, chunk=0))]) == 0
    assert client.hget(job, "done") == b"0"
    assert client.exists(keys.job_blocks("0123456789abcdef")) == 0
    assert client.xlen(keys.stream("cnn", "bulk")) == 0
