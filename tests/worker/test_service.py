"""Real workers under real signals: after any fault of one worker, a job completes and has every item once."""

import re
import signal
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from deploy.processes import free_port
from shared.data.dataset import Split
from shared.redis import keys
from tests.support.processes import check_ping, pause, start_celery
from tests.support.registries import DEFAULT
from tests.support.system import RedisServer, System, running
from tests.support.uploads import idx

LEASE_MS = 1000
IMAGES = 6_000

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shared_pair(redis_server: RedisServer) -> Iterator[System]:
    """Two workers that take over from each other after a second."""
    environ = {"LEASE_MS": str(LEASE_MS), "WORKER_TTL_S": "4"}
    with running(redis_server.new_url(), workers=2, environ=environ, api_in_thread=True) as system:
        yield system


@pytest.fixture
def pair(shared_pair: System) -> System:
    """Two workers, restarted if an earlier test has ended one."""
    for name in ("worker-1", "worker-2"):
        if name not in shared_pair.workers:
            shared_pair.start_worker(name)
    shared_pair.wait_until_ready(2)
    return shared_pair


def tiled(test_set: Split, count: int) -> np.ndarray:
    """uint8[count,28,28]: the test set, again and again."""
    return np.resize(test_set.images, (count, 28, 28))


def submit_and_see_running(system: System, test_set: Split) -> str:
    """Return the id of a job that the workers are in the middle of. A job that ends unseen has a successor."""
    for _ in range(5):
        job_id = system.submit(content=idx(tiled(test_set, IMAGES)))
        while not (job := system.http.get(f"/results/{job_id}").json())["counts"]["done"]:
            pause()
        if job["state"] == "running":
            return job_id
    raise AssertionError("the job must be larger for this test to mean anything")


def check_complete(system: System, job_id: str, test_set: Split) -> set[str]:
    """Every image has its own right answer; returns the final counts' state."""
    job = system.finished(job_id)
    assert job["counts"] == {"done": IMAGES, "unsure": 0, "failed": 0, "expired": 0, "cancelled": 0}
    items = system.items(job_id)
    assert [item["index"] for item in items] == list(range(IMAGES))
    labels = np.resize(test_set.labels, IMAGES)
    assert np.mean([item["prediction"] for item in items] == labels) > 0.98
    assert system.http.get("/status").json()["queues"]["cnn"]["bulk"]["images"] == 0
    return {item["state"] for item in items}


def test_two_workers_share_a_job(pair: System, test_set: Split) -> None:
    before = images_of_workers(pair)
    job_id = pair.submit(content=idx(tiled(test_set, IMAGES)))
    assert check_complete(pair, job_id, test_set) == {"done"}
    while sum((images := images_of_workers(pair)).values()) < sum(before.values()) + IMAGES:
        pause()  # heartbeats that count all of the images
    assert len(images) == 2
    assert min(images[name] - before[name] for name in images) > 0


def images_of_workers(system: System) -> dict[str, int]:
    return {worker["name"]: worker["images"] for worker in system.http.get("/status").json()["workers"]}


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
def test_a_job_survives_the_end_of_one_of_its_workers(pair: System, test_set: Split, signum: signal.Signals) -> None:
    job_id = submit_and_see_running(pair, test_set)
    victim = pair.workers.pop("worker-1")
    victim.signal(signum)
    assert check_complete(pair, job_id, test_set) == {"done"}
    status = victim.wait()
    assert status == (0 if signum == signal.SIGTERM else -signal.SIGKILL)


def test_a_worker_that_slept_over_its_lease_overwrites_nothing(pair: System, test_set: Split) -> None:
    job_id = submit_and_see_running(pair, test_set)
    sleeper = pair.workers["worker-1"]
    sleeper.signal(signal.SIGSTOP)
    try:
        assert check_complete(pair, job_id, test_set) == {"done"}
        before = pair.items(job_id)
    finally:
        sleeper.signal(signal.SIGCONT)
    pair.finished(pair.submit(json={"start": 0, "stop": 1}))
    assert pair.items(job_id) == before
    assert pair.finished(job_id)["counts"]["done"] == IMAGES


def test_a_wait_that_runs_out_is_a_504_and_the_work_continues(redis_server: RedisServer, test_set: Split) -> None:
    with running(redis_server.new_url(), environ={"WORKER_TTL_S": "30"}, api_in_thread=True) as system:
        system.workers["worker-1"].signal(signal.SIGSTOP)
        try:
            reply = system.http.get("/mnist/classify/5", headers={"Prefer": "wait=1"})
            assert reply.status_code == 504
            single_id = reply.json()["id"]
            assert reply.headers["location"] == f"/results/{single_id}"
            assert system.http.get(f"/results/{single_id}").json()["state"] == "queued"
        finally:
            system.workers["worker-1"].signal(signal.SIGCONT)
        while (result := system.http.get(f"/results/{single_id}").json())["state"] == "queued":
            pause()
        assert result["state"] == "done"
        (item,) = system.http.get(f"/results/{single_id}/items").json()["items"]
        assert item["prediction"] == test_set.labels[5]


def test_inspect_answers_and_a_warm_shutdown_finishes_what_is_in_hand(
    redis_server: RedisServer, test_set: Split
) -> None:
    with running(redis_server.new_url(), api_in_thread=True) as system:
        job_id = submit_and_see_running(system, test_set)
        assert "pong" in check_ping(system.environ)
        worker = system.workers.pop("worker-1")
        worker.signal(signal.SIGTERM)
        assert worker.wait() == 0
        streams = keys.streams("cnn", "bulk")
        pending = sum(system.redis.xpending(stream, keys.GROUP)["pending"] for stream in streams)
        assert pending == 0, "what a worker held is finished, not left to its lease"
        system.start_worker("worker-2")
        assert check_complete(system, job_id, test_set) == {"done"}


@pytest.mark.parametrize("environ", [{"DEFAULT_MODEL": "nope"}, {"MODELS_DIR": "/nowhere"}, {"ENGINE": "abacus"}])
def test_a_worker_that_cannot_serve_refuses_to_start_and_says_why(
    redis_server: RedisServer, environ: dict[str, str]
) -> None:
    environ["REDIS_URL"] = f"redis://127.0.0.1:{redis_server.port}/0"
    worker = start_celery("worker", "--pool", "solo", environ=environ)
    assert worker.wait() != 0
    assert next(iter(environ.values())) in worker.output
    assert "Traceback" not in worker.output


def test_a_worker_that_finds_no_redis_ends_and_says_so() -> None:
    environ = {"REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}
    worker = start_celery("worker", "--pool", "solo", environ=environ)
    assert worker.wait() == 1
    (line,) = worker.output.splitlines()
    assert re.search(r"REDIS_URL='redis://127.0.0.1:\d+/0': Redis is unreachable: .* refused; start it", line)


@pytest.mark.parametrize("app", ["worker.app", "worker.tasks.app", "worker.tasks.trainer", "worker.tasks.classify"])
def test_a_wrong_setting_ends_every_celery_worker_with_one_sentence(app: str) -> None:
    worker = start_celery("worker", environ={"LEASE_MS": "soon"}, app=app)
    assert worker.wait() == 1
    assert worker.output == "celery: LEASE_MS='soon': expected 500 to 3600000"


@pytest.mark.timeout(120)
def test_flower_lists_the_workers_and_all_batches(pair: System, test_set: Split) -> None:
    port = free_port()
    environ = {**pair.environ, "FLOWER_UNAUTHENTICATED_API": "1"}
    flower = start_celery("flower", f"--port={port}", environ=environ)
    try:
        for worker in pair.workers.values():
            worker.wait_for_line("Events of group {task} enabled")
        before = images_of_workers(pair)
        headers = {"X-Request-ID": "of-the-job"}
        check_complete(pair, pair.submit(content=idx(tiled(test_set, IMAGES)), headers=headers), test_set)
        tasks = tasks_in_flower(pair, port, before)
        assert {task["name"] for task in tasks} == {"mnistified.batch"}
        assert {task["state"] for task in tasks} == {"SUCCESS"}
        result = r"\d+ × \d, .*; queue \d+ ms at most, model [\d.]+ ms( on average)?"
        assert all(re.fullmatch(result, task["result"].strip("'")) for task in tasks)
        assert {task["kwargs"] for task in tasks} == {"of-the-job"}
        assert all(task["runtime"] > 0 for task in tasks)
        assert {task["worker"].partition("@")[0] for task in tasks} == {"worker-1", "worker-2"}
    finally:
        flower.stop()


def images_of(task: dict[str, Any]) -> int:
    """Return the images of an entry in Flower, whose args read `cnn@2 n=64 interactive 0 / bulk 64`."""
    match = re.fullmatch(
        rf"{DEFAULT.ref} n=([\d,]+)( in \d+ batches)? interactive ([\d,]+) / bulk ([\d,]+)", task["args"]
    )
    assert match, task
    images, interactive, bulk = (int(match[group].replace(",", "")) for group in (1, 3, 4))
    assert images == interactive + bulk
    return images


def tasks_in_flower(system: System, port: int, before: dict[str, int]) -> list[dict[str, Any]]:
    """Return Flower's tasks, once they have all images that the workers have run since `before`.

    These are more than the job's images if a busy machine delays a worker beyond its lease: its images run twice.
    """
    pause = threading.Event()
    for _ in range(200):
        found = system.http.get(f"http://127.0.0.1:{port}/api/tasks", params={"limit": 10_000}).json().values()
        images = sum(images_of(task) for task in found if task["state"] == "SUCCESS")
        ran = sum(images_of_workers(system).values()) - sum(before.values())
        if images == ran >= IMAGES:
            return list(found)
        pause.wait(0.1)
    raise AssertionError(f"Flower saw {images} images of {ran}")


def test_a_command_to_workers_says_that_redis_is_unreachable() -> None:
    command = start_celery("inspect", "ping", environ={"REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"})
    assert command.wait() == 69  # EX_UNAVAILABLE
    assert "Redis is unreachable" in command.output
    assert "set REDIS_URL to one that runs" in command.output
