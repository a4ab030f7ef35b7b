"""Results belong to the key that requested them, limits apply per key, and dead letters are for admins."""

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import httpx
import numpy as np
import orjson
import pytest

from shared.data.dataset import Split
from shared.redis import keys
from tests.support.processes import pause
from tests.support.registries import DEFAULT
from tests.support.system import RedisServer, System, running
from tests.support.uploads import idx

SECRETS = {"alice": "the-key-of-alice", "bob": "the-key-of-bob", "ops": "the-key-of-ops"}
OPTIONS = {"alice": ":max_queued_images=1000:images_per_s=100000", "bob": ":images_per_s=50", "ops": ":admin"}


@pytest.fixture(scope="module")
def guarded(redis_server: RedisServer) -> Iterator[System]:
    """A system with three keys and no worker."""
    api_keys = " ".join(
        f"{name}:{sha256(secret.encode()).hexdigest()}{OPTIONS[name]}" for name, secret in SECRETS.items()
    )
    with running(redis_server.new_url(), workers=0, environ={"API_KEYS": api_keys}, api_in_thread=True) as system:
        yield system


@pytest.fixture
def served(guarded: System) -> Iterator[System]:
    """The same with a worker."""
    worker = guarded.start_worker("worker-1")
    while len(ask(guarded, "ops", "GET", "/status").json()["workers"]) != 1:
        pause()
    yield guarded
    worker.stop()
    guarded.workers.clear()


def ask(system: System, name: str, method: str, path: str, **more: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {SECRETS[name]}", **more.pop("headers", {})}
    return system.http.request(method, path, headers=headers, **more)


def submit(system: System, name: str, stop: int) -> httpx.Response:
    return ask(system, name, "POST", "/mnist/classify/bulk", json={"start": 0, "stop": stop})


@pytest.mark.slow
def test_a_job_is_there_for_the_key_that_made_it_alone(guarded: System) -> None:
    path = submit(guarded, "alice", 10).headers["location"]
    assert ask(guarded, "alice", "GET", path).status_code == 200
    for name in ("bob", "ops"):
        for suffix in ("", "/items", "/events", "?wait=1"):
            assert ask(guarded, name, "GET", path + suffix).status_code == 404
    assert ask(guarded, "bob", "DELETE", path).status_code == 404
    assert ask(guarded, "alice", "GET", path).json()["state"] == "queued"


@pytest.mark.slow
def test_an_admin_may_cancel_what_others_have_made(guarded: System) -> None:
    path = submit(guarded, "alice", 10).headers["location"]
    assert ask(guarded, "ops", "DELETE", path).json()["state"] == "cancelled"
    assert ask(guarded, "alice", "GET", path).json()["state"] == "cancelled"


@pytest.mark.usefixtures("mnist")
@pytest.mark.slow
def test_a_key_may_not_have_more_images_queued_than_its_limit(guarded: System) -> None:
    guarded.redis.flushdb()
    assert submit(guarded, "alice", 900).status_code == 202
    refused = submit(guarded, "alice", 101)
    assert refused.status_code == 429
    assert "'alice' has 900 queued images, and may have 1000" in refused.json()["detail"]
    assert submit(guarded, "alice", 100).status_code == 202
    assert submit(guarded, "ops", 1000).status_code == 202, "a limit is of one key alone"


@pytest.mark.slow
def test_a_key_cannot_exceed_its_rate_of_images(guarded: System) -> None:
    assert submit(guarded, "bob", 200).status_code == 202, "a burst passes, and is paid for after it"
    refused = submit(guarded, "bob", 1)
    assert refused.status_code == 429
    assert "50 images per second" in refused.json()["detail"]
    assert 1 <= int(refused.headers["retry-after"]) <= 4


@pytest.mark.slow
def test_an_idempotency_key_is_of_one_client(guarded: System) -> None:
    guarded.redis.flushdb()
    body, headers = {"start": 0, "stop": 3}, {"Idempotency-Key": "mine"}
    ids = {
        ask(guarded, name, "POST", "/mnist/classify/bulk", json=body, headers=headers).json()["id"]
        for name in ("alice", "alice", "ops")
    }
    assert len(ids) == 2


@pytest.mark.slow
def test_singles_of_several_keys_are_answered_and_counted_off(served: System, test_set: Split) -> None:
    served.redis.delete(keys.client("alice"), keys.client("ops"))
    for name in ("alice", "ops"):
        reply = ask(served, name, "GET", "/mnist/classify/3")
        assert reply.json()["prediction"] == test_set.labels[3]
        single = f"/results/{reply.json()['id']}"
        assert ask(served, name, "GET", single).status_code == 200
        assert ask(served, "bob", "GET", single).status_code == 404
        assert served.redis.hget(keys.client(name), "images") == b"0"


@pytest.mark.slow
def test_layers_are_there_for_the_key_that_asked_alone(served: System) -> None:
    single_id = ask(served, "alice", "GET", "/mnist/classify/3", params={"verbose": 1}).json()["id"]
    headers = {"Prefer": "respond-async"}
    job = ask(served, "alice", "GET", "/mnist/classify/3", params={"verbose": 1}, headers=headers).json()["id"]
    assert ask(served, "alice", "GET", f"/results/{job}?wait=30").json()["state"] == "done"
    for result_id in (single_id, job):
        assert ask(served, "alice", "GET", f"/results/{result_id}/layers").json()["layers"]
        for name in ("bob", "ops"):
            assert ask(served, name, "GET", f"/results/{result_id}/layers").status_code == 404


@pytest.mark.slow
def test_dead_letters_are_an_admins(guarded: System) -> None:
    for method, path in (("GET", "/dead-letters"), ("POST", "/dead-letters/1-1/replay")):
        assert ask(guarded, "alice", method, path).status_code == 403
    assert ask(guarded, "ops", "GET", "/dead-letters").json() == {"dead_letters": [], "total": 0}
    for letter_id in ("1-1", "x", "1-1-1", "-", "+"):
        assert ask(guarded, "ops", "POST", f"/dead-letters/{letter_id}/replay").status_code == 404


@pytest.mark.slow
def test_a_dead_letter_names_its_item_and_is_tried_again(served: System, test_set: Split) -> None:
    """The first image of the chunk was unreadable, so row 4 of the letter is item 5 of the job."""
    header = {"model": "cnn@1", "lane": "bulk", "client": "alice", "reason": "why", "attempts": 4, "at_ms": 1}
    header |= {"position": 4, "job": "j0", "chunk": 0}
    served.redis.hset(keys.job("j0"), "chunk_images", 256)
    served.redis.hset(keys.job_manifests("j0"), "0", orjson.dumps({"names": None, "errors": [[0, "not an image"]]}))
    letter_id: Any = served.redis.xadd(
        keys.DEAD_LETTERS, {"h": orjson.dumps(header), "x": test_set.images[7].tobytes()}
    )
    (letter,) = ask(served, "ops", "GET", "/dead-letters").json()["dead_letters"]
    assert letter["id"] == letter_id.decode()
    assert (letter["job"], letter["index"], letter["reason"], letter["key"]) == ("j0", 5, "why", "alice")
    replayed = ask(served, "ops", "POST", letter["links"]["replay"])
    assert replayed.status_code == 202
    path = replayed.headers["location"]
    assert ask(served, "ops", "GET", f"{path}?wait=30").json()["state"] == "done"
    (item,) = ask(served, "ops", "GET", f"{path}/items").json()["items"]
    assert item["prediction"] == test_set.labels[7]
    assert ask(served, "ops", "GET", "/dead-letters").json()["total"] == 0


@pytest.mark.slow
def test_a_key_gets_no_more_turns_by_sending_more_jobs(guarded: System) -> None:
    guarded.redis.flushdb()
    for _ in range(3):
        submit(guarded, "alice", 100)
    submit(guarded, "ops", 100)
    lengths = sorted(guarded.redis.xlen(stream) for stream in keys.streams("cnn", "bulk"))
    assert lengths[-2:] == [1, 3]


@pytest.mark.slow
def test_a_small_job_does_not_wait_for_a_large_one(redis_server: RedisServer, test_set: Split) -> None:
    """The progress of the large job in the meantime is far less than a second of the model's time."""
    with running(redis_server.new_url(), api_in_thread=True) as system:
        large = system.submit(content=idx(np.resize(test_set.images, (100_000, 28, 28))))
        small = system.submit(json={"start": 0, "stop": 10})
        before = system.http.get(f"/results/{large}").json()
        assert system.finished(small)["counts"]["done"] == 10
        after = system.http.get(f"/results/{large}").json()
        assert after["state"] == "running", "the large job must be large enough for this test to mean anything"
        (worker,) = system.http.get("/status").json()["workers"]
        assert after["counts"]["done"] - before["counts"]["done"] < worker["models"][DEFAULT.ref]["images_per_s"]
        system.http.delete(f"/results/{large}")
