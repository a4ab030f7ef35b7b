"""This release reads what the previous one wrote to Redis: entries, blocks, jobs, heartbeats and aliases.

`python -m tools.record_formats` has recorded them in `previous_release.json`, with synthetic images.
"""

from base64 import b64decode
from pathlib import Path

import numpy as np
import orjson
import pytest

from shared.contract.lane import LANES
from shared.redis import keys
from shared.redis.clients import SyncClient
from tests.support.api_in_process import running_api
from tests.worker.batching.test_leases import Worker
from tools.record_formats import CALLBACK_URL, synthetic
from worker.tasks.callbacks.schedule import Schedule

RECORDED = orjson.loads(Path(__file__).with_name("previous_release.json").read_bytes())
NAMED, CALLED_BACK = RECORDED["jobs"]["named"], RECORDED["jobs"]["called_back"]
LETTER = (
    b'{"model":"cnn@1","lane":"bulk","client":"","reason":"moved","attempts":3,"at_ms":1,"position":0,'
    b'"request_id":"r","job":"' + NAMED.encode() + b'","chunk":0}'
)
LATER_MS = 4_000_000_000_000  # the year 2096


def restore(client: SyncClient, phase: str) -> None:
    """Write the recorded keys to an empty Redis. Heartbeats are of now, and deadlines in the future."""
    for key, content in RECORDED[phase].items():
        match content:
            case {"type": "string", "value": value}:
                client.set(key, b64decode(value))
            case {"type": "hash", "value": value}:
                client.hset(key, mapping={field: b64decode(each) for field, each in value.items()})
            case {"type": "zset", "value": value}:
                score = client.time()[0] if key == keys.WORKERS else LATER_MS
                client.execute_command("ZADD", key, *[part for member in value for part in (score, member)])
            case {"type": "stream", "value": value}:
                for entry_id, fields in value.items():
                    client.xadd(key, {field: b64decode(each) for field, each in fields.items()}, entry_id)


def single_ids() -> list[str]:
    """Return the ids of the two single images in the order of their request ids."""
    prefix = keys.timed_out_single("")
    waited = {
        key.removeprefix(prefix): b64decode(RECORDED["queued"][key]["value"])
        for key in RECORDED["queued"]
        if key.startswith(prefix)
    }
    return sorted(waited, key=lambda single_id: waited[single_id][-2:])


def test_its_entries_are_read(client: SyncClient) -> None:
    restore(client, "queued")
    worker = Worker(client, "new")
    worker.pull()
    by_uid = {delivery.entry.uid: delivery for delivery in worker.held_entries.all()}
    singles = [single_id.partition("-")[0] for single_id in single_ids()]
    numbers = {singles[0]: [0], singles[1]: [1], NAMED: [2, 3], CALLED_BACK: [4]}
    assert by_uid.keys() == numbers.keys()
    for uid, delivery in by_uid.items():
        assert np.array_equal(delivery.entry.images, [synthetic(number) for number in numbers[uid]])
        assert (delivery.attempt, delivery.faults) == (1, {})
    assert [by_uid[uid].entry.verbose for uid in singles] == [False, True]
    assert [by_uid[uid].entry.request_id(0) for uid in singles] == ["single-0", "single-1"]
    assert by_uid[CALLED_BACK].entry.request_id(0) == "of-mine"
    assert {delivery.entry.chunk for delivery in by_uid.values()} == {None, 0}


def test_its_jobs_end_when_this_release_finishes_their_entries(client: SyncClient) -> None:
    restore(client, "queued")
    worker = Worker(client, "new")
    worker.pull()
    held = worker.held_entries.all()
    for delivery in held:
        delivery.predictions = np.full(delivery.count, 7, np.uint16)
    assert worker.finisher.finish(held) == 0
    for lane in LANES:
        assert client.hmget(keys.queued("cnn", lane), "images", "bytes") == [b"0", b"0"]
    assert client.hmget(keys.job(NAMED), "done", "failed", "total") == [b"2", b"1", b"3"]
    assert client.hexists(keys.job(NAMED), "finished_ms")
    assert client.zscore(keys.CALLBACKS, CALLED_BACK) is not None


async def test_its_results_are_read(client: SyncClient, scratch_url: str) -> None:
    restore(client, "final")
    async with running_api(scratch_url, {"WEBHOOK_SECRET": "synthetic" * 4}) as http:
        named, called_back = [(await http.get(f"/results/{job}")).json() for job in (NAMED, CALLED_BACK)]
        assert (named["state"], named["total"], named["model"]) == ("done_with_errors", 3, "cnn@3")
        assert (called_back["state"], called_back["request_id"]) == ("done", "of-mine")
        assert called_back["callback"] == {"url": CALLBACK_URL, "state": "waiting", "attempts": 0}
        items = (await http.get(f"/results/{NAMED}/items")).json()["items"]
        assert [(item["name"], item["state"]) for item in items] == [
            ("a/one.png", "done"),
            ("two.png", "done"),
            ("broken.png", "failed"),
        ]
        assert "is not an image" in items[2]["error"]
        assert all(sum(item["probabilities"]) == pytest.approx(1, abs=1e-3) for item in items[:2])
        for single_id in single_ids():
            single = (await http.get(f"/results/{single_id}")).json()
            assert (single["state"], single["model"]) == ("done", "cnn@3")


async def test_its_unfinished_jobs_stay_queued_and_can_be_cancelled(client: SyncClient, scratch_url: str) -> None:
    restore(client, "queued")
    async with running_api(scratch_url) as http:
        single = (await http.get(f"/results/{single_ids()[0]}")).json()
        assert (single["state"], single["request_id"]) == ("queued", "single-0")
        jobs = [(await http.get(f"/results/{job}")).json() for job in (NAMED, CALLED_BACK)]
        assert [job["state"] for job in jobs] == ["running", "queued"]  # an image of the first could not be read
        cancelled = (await http.delete(f"/results/{NAMED}")).json()
        assert (cancelled["state"], cancelled["counts"]["cancelled"]) == ("cancelled", 2)


async def test_its_workers_aliases_and_dead_letters_are_read(client: SyncClient, scratch_url: str) -> None:
    restore(client, "final")
    client.xadd(keys.DEAD_LETTERS, {"h": LETTER, "x": synthetic(0).tobytes()})
    async with running_api(scratch_url) as http:
        (worker,) = (await http.get("/status")).json()["workers"]
        assert (worker["entry_formats"], sorted(worker["models"])) == ([1], ["cnn@1", "cnn@3"])
        assert (await http.get("/readyz")).status_code == 200
        assert (await http.get("/models/cnn")).json()["aliases"]["candidate"]["version"] == 1
        (change,) = (await http.get("/models/cnn/changes")).json()["changes"]
        assert (change["alias"], change["reason"]) == ("candidate", "recorded")
        (letter,) = (await http.get("/dead-letters")).json()["dead_letters"]
        assert (letter["job"], letter["index"]) == (NAMED, 0)


def test_its_callbacks_are_sent(client: SyncClient) -> None:
    restore(client, "final")
    callback = Schedule(client).read(CALLED_BACK)
    assert callback is not None
    assert (callback.url, callback.attempts, callback.body.state, callback.body.total) == (CALLBACK_URL, 0, "done", 1)
