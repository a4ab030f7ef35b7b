"""Results are written once, by the first worker that finishes, together with their counts."""

import logging
import time

import numpy as np
import orjson
import pytest
from msgspec import structs

from shared.config.settings import Settings
from shared.contract.block.codec import decode_block
from shared.contract.entry import THRESHOLD_OF_CARD
from shared.contract.entry.codec import encode_header
from shared.contract.job import JOB_CODEC, MANIFEST_CODEC, Counts, Manifest, NumberLine, Piece
from shared.contract.lane import Lane
from shared.redis import keys
from shared.redis.clients import SyncClient
from shared.redis.clock import RedisClock
from shared.shapes import WINDOW_LABELS
from tests.worker.support.deliveries_of import delivery
from worker.batching.direct_connection import DirectConnection
from worker.batching.finish import FINISH, FINISH_SINGLES, MAX_LAYERS, Finisher
from worker.batching.intake import ensure_groups
from worker.delivery import Delivery
from worker.reporting.metrics import Metrics


@pytest.fixture
def finisher(client: SyncClient) -> Finisher:
    ensure_groups(client, ["cnn"])
    settings = Settings(result_ttl_s=1000, single_result_ttl_s=100)
    return Finisher(DirectConnection(client, FINISH, FINISH_SINGLES), "me", Metrics(), RedisClock(), settings)


def delivered(client: SyncClient, made: Delivery) -> Delivery:
    """The delivery, put on its stream and pulled by the group."""
    entry_id = client.xadd(made.stream, {"h": encode_header(made.entry), "x": bytes(made.entry.pixels)})
    assert isinstance(entry_id, bytes)
    made.entry_id = entry_id
    count_queued(client, made)
    client.xreadgroup(keys.GROUP, "me", {made.stream: ">"})
    made.predictions = np.arange(made.entry.count).astype(np.uint16) % 10
    return made


def count_queued(client: SyncClient, made: Delivery) -> None:
    counts = {"images": made.entry.count, "bytes": made.entry.queued_bytes}
    if shard := keys.shard_of(made.stream):
        counts[shard] = made.entry.count
    for field, count in counts.items():
        client.hincrby(keys.queued("cnn", made.lane), field, count)


def queued(client: SyncClient, lane: Lane) -> tuple[int, int]:
    """Images and bytes that count as queued."""
    found = client.hmget(keys.queued("cnn", lane), "images", "bytes")
    images, size_bytes = [int(count) for count in found if count is not None]
    return images, size_bytes


def begin_job(client: SyncClient, total: int | None) -> str:
    job = keys.job("0123456789abcdef")
    created_ms = int(time.time() * 1e3) - 5000
    fields: dict[str, int | str] = {"model": "cnn@1", "created_ms": created_ms, "done": 0, "failed": 0, "expired": 0}
    client.hset(job, mapping=fields if total is None else {**fields, "total": total})
    return job


def test_singles_are_written_acknowledged_and_counted_off(client: SyncClient, finisher: Finisher) -> None:
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
    assert queued(client, "interactive") == (0, 0)


def test_counters_that_are_gone_are_not_created_again(client: SyncClient, finisher: Finisher) -> None:
    """This happens after FLUSHALL, once the stream and the group exist again."""
    made = delivered(client, delivery(3, "bulk", chunk=0))
    made.entry = structs.replace(made.entry, client="team")
    client.delete(keys.queued("cnn", "bulk"), keys.client("team"))
    finisher.finish([made])
    assert not client.exists(keys.queued("cnn", "bulk"), keys.client("team"), keys.job(made.entry.uid))


def test_counters_that_are_newer_than_the_entry_stay_at_zero(client: SyncClient, finisher: Finisher) -> None:
    made = delivered(client, delivery(3, "interactive"))
    client.hset(keys.queued("cnn", "interactive"), mapping={"images": 1, "bytes": 784})
    finisher.finish([made])
    assert queued(client, "interactive") == (0, 0)


@pytest.mark.parametrize("gone", [False, True])
@pytest.mark.parametrize("more", [{}, {"reply": "channel"}, {"client": "team", "reply": "channel"}])
def test_both_scripts_leave_the_same_keys(
    client: SyncClient, finisher: Finisher, more: dict[str, str], gone: bool
) -> None:
    """A second attempt is finished by the general script."""
    left = []
    for attempt in (1, 2):
        client.flushdb()
        ensure_groups(client, ["cnn"])
        made = delivery(3, "interactive")
        made.entry = structs.replace(made.entry, **more)
        made = delivered(client, made)
        client.hset(keys.client("team"), mapping={"images": 2})
        if gone:
            client.delete(keys.queued("cnn", "interactive"), keys.client("team"))
        made.attempt = attempt
        assert finisher.finish([made]) == 0
        assert finisher.finish([made]) == 1, "another worker has finished it"
        result = client.get(keys.result(made.entry.uid))
        assert isinstance(result, bytes)
        counts = [client.hgetall(key) for key in (keys.queued("cnn", "interactive"), keys.client("team"))]
        names = sorted(client.keys("*"))
        lives = [client.ttl(name) > 0 for name in names]
        stream = client.xlen(made.stream), client.xpending(made.stream, keys.GROUP)["pending"]
        left.append((names, lives, counts, stream, result.replace(b'"attempt":2', b'"attempt":1')))
    assert left[0] == left[1]


def test_the_reply_names_its_entry(client: SyncClient, finisher: Finisher) -> None:
    made = delivery(1, "interactive")
    made.entry = structs.replace(made.entry, reply="channel")
    with client.pubsub(ignore_subscribe_messages=True) as pubsub:
        pubsub.subscribe("channel")
        pubsub.get_message(timeout=5)
        finisher.finish([delivered(client, made)])
        message = pubsub.get_message(timeout=5)
    assert message is not None
    assert message["data"][:16] == b"0123456789abcdef"
    assert decode_block(message["data"][16:]).count == 1


def test_the_second_to_finish_changes_nothing(client: SyncClient, finisher: Finisher) -> None:
    made = delivered(client, delivery(2, "interactive"))
    assert finisher.finish([made]) == 0
    made.predictions[:] = 9
    assert finisher.finish([made]) == 1
    data = client.get(keys.result(made.entry.uid))
    assert isinstance(data, bytes)
    assert decode_block(data).predictions.tolist() == [0, 1]
    assert queued(client, "interactive") == (0, 0)


def test_a_job_ends_with_its_last_chunk_and_says_so(
    client: SyncClient, finisher: Finisher, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
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
    (line,) = [record for record in caplog.records if record.message == "job finished"]
    told = vars(line)["fields"]
    assert 4 < told.pop("took_s") < 60
    counts = {"done": 4, "unsure": 0, "failed": 1, "expired": 0}
    assert told == {"job": "0123456789abcdef", "request_id": "0123456789abcdef"} | counts


def test_unsure_images_of_a_job_are_counted_among_the_answered_ones(client: SyncClient, finisher: Finisher) -> None:
    job = begin_job(client, total=4)
    unsure = delivery(4, chunk=0)
    unsure.entry = structs.replace(unsure.entry, accept=THRESHOLD_OF_CARD)
    unsure.rule, unsure.scores = 0.75, np.array([0.7, 0.75, 0.1, 0], np.float32)
    unsure.faults = {3: ("failed", "why")}
    finisher.finish([delivered(client, unsure)])
    assert client.hmget(job, "done", "unsure", "failed") == [b"3", b"2", b"1"]
    fields = client.hgetall(job) | {b"chunk_images": b"4"}
    read = JOB_CODEC.decode("j1", fields)
    assert (read.counts, read.finished) == (Counts(done=1, unsure=2, failed=1), 4)


@pytest.mark.parametrize(
    ("rule_of_job", "unsure"),
    [
        ({}, b"1"),
        ({"accept": "0.999"}, b"3"),
        ({"accept": "0"}, None),
        ({"among": "4,7"}, None),
        ({"among": "5,7"}, b"3"),
    ],
)
def test_unsure_numbers_are_counted_by_the_rule_of_their_job(
    client: SyncClient, finisher: Finisher, rule_of_job: dict[str, str], unsure: bytes | None
) -> None:
    job = begin_job(client, total=4)
    client.hset(job, mapping={"chunk_images": 4, **rule_of_job})
    made = numbers([0.95, 0.4, 0.9, 0.9])
    made.faults = {7: ("failed", "why")}
    manifest = Manifest(numbers=[NumberLine((1, 1), (Piece((0, 0, 9, 9), 0.0),))] * 4)
    client.hset(keys.job_manifests(made.entry.uid), "0", MANIFEST_CODEC.encode(manifest))
    finisher.finish([delivered(client, made)])
    assert client.hmget(job, "done", "unsure", "failed") == [b"3", unsure, b"1"]
    assert made.unsure_images == 2 * int(unsure or 0)


@pytest.mark.parametrize("manifest", [None, b"[", MANIFEST_CODEC.encode(Manifest())])
def test_numbers_without_a_readable_manifest_are_finished(
    client: SyncClient, finisher: Finisher, manifest: bytes | None
) -> None:
    job = begin_job(client, total=1)
    client.hset(job, "chunk_images", 1)
    made = numbers([0.4])
    if manifest:
        client.hset(keys.job_manifests(made.entry.uid), "0", manifest)
    finisher.finish([delivered(client, made)])
    assert client.hmget(job, "done", "unsure") == [b"1", None]


def numbers(scores: list[float]) -> Delivery:
    """Numbers of one digit, 4, with two views of one window each, where the probability of the digit is the score."""
    made = delivery(2 * len(scores), chunk=0)
    made.entry = structs.replace(made.entry, items=(2,) * len(scores))
    made.rule, made.label_count, made.scores = 0.75, len(WINDOW_LABELS), np.array(scores, np.float32).repeat(2)
    made.probabilities = np.zeros((made.count, len(WINDOW_LABELS)), np.float32)
    made.probabilities[:, 4] = 1
    return made


def test_a_job_whose_upload_still_runs_is_not_over(client: SyncClient, finisher: Finisher) -> None:
    job = begin_job(client, total=None)
    finisher.finish([delivered(client, delivery(3, chunk=0))])
    assert client.hget(job, "done") == b"3"
    assert not client.hexists(job, "finished_ms")


def test_a_chunk_that_was_queued_twice_counts_once(client: SyncClient, finisher: Finisher) -> None:
    job = begin_job(client, total=9)
    for _ in range(2):
        finisher.finish([delivered(client, delivery(3, chunk=0))])
    assert client.hget(job, "done") == b"3"
    assert queued(client, "bulk") == (0, 0)
    assert client.hget(keys.queued("cnn", "bulk"), "0") == b"0"


def test_a_cancelled_job_takes_no_more_results(client: SyncClient, finisher: Finisher) -> None:
    job = begin_job(client, total=3)
    client.hset(job, mapping={"cancelled": 3, "finished_ms": 1})
    assert finisher.finish([delivered(client, delivery(3, chunk=0))]) == 0
    assert client.hget(job, "done") == b"0"
    assert client.exists(keys.job_blocks("0123456789abcdef")) == 0
    assert client.xlen(keys.stream("cnn", "bulk")) == 0


def test_an_image_becomes_a_dead_letter_once(client: SyncClient, finisher: Finisher) -> None:
    made = delivered(client, delivery(3, "interactive"))
    made.attempt = 4
    made.faults = {1: ("failed", "it kills")}
    made.dead_positions = [1]
    client.hset(keys.suspect(made.stream, made.entry_id.decode()), "running", 1)
    assert finisher.finish([made]) == 0
    assert finisher.finish([made]) == 1
    ((_, letter),) = client.xrange(keys.DEAD_LETTERS)
    header = orjson.loads(letter[b"h"])
    assert header.pop("at_ms") > 0
    assert header == {
        "model": "cnn@1",
        "lane": "interactive",
        "client": "",
        "reason": "it kills",
        "attempts": 4,
        "position": 1,
        "request_id": "0123456789abcdef-1",
        "single": "0123456789abcdef-1",
    }
    assert letter[b"x"] == made.entry.images[1].tobytes()
    assert client.exists(keys.suspect(made.stream, made.entry_id.decode())) == 0


def test_the_images_of_a_key_are_counted_off_it(client: SyncClient, finisher: Finisher) -> None:
    made = delivery(3, "interactive")
    made.entry = structs.replace(made.entry, client="alice")
    client.hset(keys.client("alice"), "images", 5)
    finisher.finish([delivered(client, made)])
    assert client.hget(keys.client("alice"), "images") == b"2"
    data = client.get(keys.result(made.entry.uid))
    assert isinstance(data, bytes)
    assert decode_block(data).client == "alice"


def verbose_delivery(client: SyncClient, uid: str, blob: bytes) -> Delivery:
    made = delivery(1, "interactive", verbose=True)
    made.entry = structs.replace(made.entry, uid=uid)
    made.layers = blob
    return delivered(client, made)


def test_layers_are_written_with_the_first_result(client: SyncClient, finisher: Finisher) -> None:
    made = verbose_delivery(client, "first", b"what it saw")
    assert finisher.finish([made]) == 0
    made.layers = b"what another saw"
    assert finisher.finish([made]) == 1
    assert client.get(keys.layers("first")) == b"what it saw"
    assert 0 < client.ttl(keys.layers("first")) <= 100
    assert 0 < client.ttl(keys.LAYERS) <= 100


def test_the_newest_layers_are_kept_and_no_more(client: SyncClient, finisher: Finisher) -> None:
    uids = [str(number) for number in range(MAX_LAYERS + 3)]
    finisher.finish([verbose_delivery(client, uid, uid.encode()) for uid in uids])
    kept = [client.get(keys.layers(uid)) for uid in uids]
    assert kept == [None] * 3 + [uid.encode() for uid in uids[3:]]
    assert client.llen(keys.LAYERS) == MAX_LAYERS


def test_who_is_not_verbose_leaves_no_layers(client: SyncClient, finisher: Finisher) -> None:
    finisher.finish([delivered(client, delivery(1, "interactive"))])
    assert client.keys(keys.LAYERS + "*") == []
