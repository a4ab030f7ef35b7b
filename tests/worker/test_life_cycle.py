"""Versions come and go in real workers, as aliases, operators and requests will have it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.contract.alias import ALIAS_CODEC, Alias
from shared.contract.drift_histograms import histograms, shares
from shared.data.dataset import Split
from shared.redis import keys
from tests.support.processes import pause, start_celery
from tests.support.system import RedisServer, System, running
from tests.support.threads import repeating
from tests.support.uploads import idx
from tests.worker.support.registry_of import publish, publish_broken

FAR_S = 1e12  # unix time

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`cnn@1`, the same as `cnn@2`, and a version whose files are garbage."""
    models_dir = tmp_path_factory.mktemp("models")
    publish(models_dir, "cnn@1", "cnn@2")
    publish_broken(models_dir, "broken@1")
    return models_dir


@pytest.fixture(scope="module")
def living(redis_server: RedisServer, models_dir: Path) -> Iterator[System]:
    """A worker that forgets an unused version, and fails unread formats, after a second; `cnn@1` is its default."""
    environ = {"MODELS_DIR": str(models_dir), "DEFAULT_MODEL": "cnn@1", "MODEL_IDLE_S": "1", "FORMAT_WAIT_S": "1"}
    with running(redis_server.new_url(), environ=environ) as system:
        yield system


def worker_state(system: System) -> dict[str, Any]:
    """The only worker's last heartbeat."""
    (worker,) = system.http.get("/status").json()["workers"]
    return dict(worker)


def loaded(system: System) -> set[str]:
    return set(worker_state(system)["models"])


def wait_until_loaded(system: System, *refs: str) -> None:
    while not loaded(system) >= set(refs):
        pause()


def wait_until_gone(system: System, ref: str) -> None:
    while ref in loaded(system):
        pause()


def want(system: System, *refs: str) -> None:
    """Request versions, like the API does before it changes an alias."""
    system.redis.delete(keys.DESIRED)
    for ref in refs:
        system.redis.zadd(keys.DESIRED, {ref: FAR_S})
    system.redis.publish(keys.ALIASES_CHANNEL, "cnn/champion")


def test_a_desired_version_is_loaded_while_requests_continue_and_unloaded_when_nobody_needs_it(living: System) -> None:
    codes: list[int] = []
    with repeating(lambda _: codes.append(living.http.get("/mnist/classify/5").status_code)):
        want(living, "cnn@2")
        wait_until_loaded(living, "cnn@2")
    assert codes
    assert set(codes) == {200}
    state = worker_state(living)
    assert state["wanted_models"] == ["cnn@2"]
    assert state["models"]["cnn@2"]["measured_as"] == "cnn@1"
    assert living.http.get("/mnist/classify/5", params={"model": "cnn@2"}).json()["model"] == "cnn@2"
    want(living)


def test_a_version_that_an_alias_names_stays_and_one_that_no_alias_names_goes(living: System, models_dir: Path) -> None:
    publish(models_dir, "aged@1", "aged@2", "aged@3")
    living.redis.hset(keys.ALIASES, "aged/candidate", ALIAS_CODEC.encode(Alias(1)))
    want(living, "aged@2", "aged@3")
    wait_until_loaded(living, "aged@1", "aged@2", "aged@3")
    want(living)
    wait_until_gone(living, "aged@2")
    assert loaded(living) >= {"aged@1", "aged@3"}, "one is named, and the other the latest"
    living.redis.hdel(keys.ALIASES, "aged/candidate")
    living.redis.publish(keys.ALIASES_CHANNEL, "aged/candidate")
    wait_until_gone(living, "aged@1")
    assert loaded(living) >= {"cnn@1", "aged@3"}


def test_a_desired_version_that_does_not_load_is_reported_with_its_reason(living: System) -> None:
    want(living, "broken@1")
    while "broken@1" not in (failed := worker_state(living)["failed_models"]):
        pause()
    want(living)
    assert "broken@1 will not load" in failed["broken@1"]
    assert living.http.get("/mnist/classify/5").status_code == 200


def test_requests_for_a_version_that_will_not_load_fail_alone_with_the_reason(living: System) -> None:
    headers = {"X-Request-ID": "the-broken-one"}
    reply = living.http.get("/mnist/classify/5", params={"model": "broken@1"}, headers=headers)
    assert reply.status_code == 500
    assert "broken@1 will not load" in reply.json()["detail"]
    assert reply.headers["x-request-id"] == "the-broken-one"
    told = json.loads(living.workers["worker-1"].wait_for_line('"message":"images failed"'))
    assert (told["request_ids"], told["failed"]) == (["the-broken-one"], 1)
    assert "broken@1 will not load" in told["reason"]
    told = json.loads(living.api.wait_for_line('"message":"request failed"'))
    assert (told["request_id"], told["status"], told["path"]) == ("the-broken-one", 500, "/mnist/classify/5")
    assert told["reason"] == reply.json()["detail"]
    assert living.http.get("/mnist/classify/5").status_code == 200


def test_a_model_that_appears_is_served_without_a_restart(living: System, models_dir: Path, test_set: Split) -> None:
    serve(living, models_dir, "new@1")
    reply = living.http.get("/mnist/classify/7", params={"model": "new"})
    assert (reply.status_code, reply.json()["model"]) == (200, "new@1")
    assert reply.json()["prediction"] == test_set.labels[7]
    job = living.finished(living.submit(json={"start": 0, "stop": 500}, params={"model": "new"}))
    assert job["counts"]["done"] == 500


def serve(system: System, models_dir: Path, *refs: str, **card: Any) -> None:
    """Publish versions of a new model, and wait until the API knows it."""
    publish(models_dir, *refs, **card)
    while refs[0].partition("@")[0] not in system.http.get("/status").json()["models"]:
        pause()


def test_drift_shows_when_what_comes_in_is_another_than_was_trained_on(
    living: System, models_dir: Path, test_set: Split
) -> None:
    images = np.resize(test_set.images, (1000, 28, 28))
    labels = np.resize(test_set.labels, 1000)
    usual = shares(histograms(images, np.eye(10, dtype=np.float32)[labels]))
    del usual["confidence"]
    serve(living, models_dir, "drifting@1", reference=usual)

    def drift_after(batch: np.ndarray, count: int) -> dict[str, Any]:
        living.finished(living.submit(content=idx(batch), params={"model": "drifting"}))
        while (drift := living.http.get("/status").json()["drift"].get("drifting@1", {"images": 0}))["images"] < count:
            pause()
        assert drift["images"] == count
        return dict(drift)

    before = drift_after(images, 1000)
    for name in ("predictions", "ink", "offset"):
        assert before[name]["distance"] < before[name]["chance"] < 0.15
    assert before["confidence"]["distance"] is None, "the card has no reference for it"
    assert sum(before["confidence"]["shares"]) == pytest.approx(1, abs=1e-3)
    after = drift_after(255 - images, 2000)
    for name in ("ink", "offset"):
        assert after[name]["distance"] > 5 * after[name]["chance"]


def test_a_shadow_is_given_what_was_answered_and_only_counted(living: System, models_dir: Path) -> None:
    serve(living, models_dir, "shadowed@1", "shadowed@2")
    living.redis.hset(keys.ALIASES, "shadowed/champion", ALIAS_CODEC.encode(Alias(1, shadow=2)))
    living.redis.publish(keys.ALIASES_CHANNEL, "shadowed/champion")
    wait_until_loaded(living, "shadowed@1", "shadowed@2")
    assert living.http.get("/mnist/classify/5", params={"model": "shadowed"}).json()["model"] == "shadowed@1"
    job = living.finished(living.submit(json={"start": 0, "stop": 500}, params={"model": "shadowed"}))
    assert job["model"] == "shadowed@1"
    while (shadow := living.http.get("/models/shadowed").json()["shadows"][0])["images"] < 501:
        pause()
    assert shadow == {
        "version": "shadowed@1",
        "shadow": "shadowed@2",
        "images": 501,
        "agree": 501,
        "failed": 0,
        "skipped": 0,
        "agreement": 1.0,
        "differ": {},
    }
    assert shadow in living.http.get("/status").json()["shadows"]
    living.redis.hdel(keys.ALIASES, "shadowed/champion")


def celery(system: System, *arguments: str) -> tuple[int, str]:
    """Exit status and output of a Celery command; what libraries log goes before it."""
    command = start_celery(*arguments, environ=system.environ)
    return command.wait(), command.output


def test_operators_load_look_and_unload_by_celery(living: System, models_dir: Path) -> None:
    publish(models_dir, "asked@1")
    status, output = celery(living, "control", "load_model", "--", "asked@1")
    assert (status, "asked@1 is loaded in a moment" in output) == (0, True), output
    wait_until_loaded(living, "asked@1")
    status, output = celery(living, "inspect", "--json", "models")
    ((_, state),) = json.loads(output.splitlines()[-1]).items()
    assert status == 0
    assert set(state["models"]) >= {"cnn@1", "asked@1"}
    assert state["models"]["asked@1"]["idle_s"] >= 0
    assert state["models"]["asked@1"]["memory_bytes"] >= 0
    assert state["loading_model"] is None
    assert "asked@1" not in state["failed_models"]
    assert "asked@1 is unloaded" in celery(living, "control", "unload_model", "asked@1")[1]
    wait_until_gone(living, "asked@1")


def test_operators_cannot_unload_what_is_needed_nor_load_what_is_not_there(living: System) -> None:
    assert "is the default" in celery(living, "control", "unload_model", "cnn@1")[1]
    assert "no version '99'" in celery(living, "control", "load_model", "cnn@99")[1]


def test_the_commands_are_listed_with_their_arguments(living: System) -> None:
    assert "models" in celery(living, "inspect", "--list")[1]
    told = celery(living, "control", "--list")[1]
    assert "load_model <name@version>" in told
    assert "unload_model <name@version>" in told


@pytest.mark.parametrize("version", [3, 1])
def test_a_job_whose_entry_no_worker_reads_fails_with_the_reason(living: System, version: int) -> None:
    job_id = f"j{version:016}"
    fields = ("model", "cnn@1", "created_ms", 1, "chunk_images", 256, "total", 3, "done", 0, "failed", 0, "expired", 0)
    living.redis.hset(keys.job(job_id), items=list(fields))
    header = {"v": version, "uid": job_id, "model": "cnn@1", "at": "later", "n": 3, "chunk": 0}
    living.redis.hincrby(keys.queued("cnn", "bulk"), "images", 3)
    living.redis.xadd(keys.stream("cnn", "bulk", 4), {"h": json.dumps(header), "x": bytes(3 * 784)})
    state = living.http.get(f"/results/{job_id}", params={"wait": 30}).json()
    assert (state["state"], state["counts"]["failed"]) == ("done_with_errors", 3)
    reasons = {item["error"] for item in living.http.get(f"/results/{job_id}/items").json()["items"]}
    assert reasons == {
        "no worker has read its entry format 3 for 1 s: the workers read 1, 2"
        if version == 3
        else "its entry cannot be read: not an entry: Expected `int`, got `str` - at `$.at`"
    }
    assert int(living.redis.hget(keys.queued("cnn", "bulk"), "images") or 0) == 0
