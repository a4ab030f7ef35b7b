"""Deadlines are kept in the queue and on time, even without a worker."""

import signal
from collections.abc import Iterator

import pytest

from shared.data.dataset import Split
from shared.redis import keys
from tests.support.processes import pause
from tests.support.system import RedisServer, System, running


@pytest.fixture(scope="module")
def idle(redis_server: RedisServer) -> Iterator[System]:
    """A system without a worker."""
    with running(redis_server.new_url(), workers=0, api_in_thread=True) as idle_system:
        yield idle_system


@pytest.fixture
def busy(redis_server: RedisServer) -> Iterator[System]:
    """A system whose worker is stopped, but still counts as alive."""
    environ = {"WORKER_TTL_S": "60", "LEASE_MS": "8000"}
    with running(redis_server.new_url(), environ=environ, api_in_thread=True) as busy_system:
        busy_system.workers["worker-1"].signal(signal.SIGSTOP)
        yield busy_system
        busy_system.workers["worker-1"].signal(signal.SIGCONT)


@pytest.mark.usefixtures("mnist")
@pytest.mark.slow
def test_a_job_expires_at_its_deadline_without_a_worker(idle: System) -> None:
    job_id = idle.submit(params={"timeout_s": "0.3"}, json={"start": 0, "stop": 300})
    job = idle.finished(job_id, wait_s=20)
    assert job["state"] == "expired"
    assert job["counts"] == {"done": 0, "unsure": 0, "failed": 0, "expired": 300, "cancelled": 0}
    assert {item["state"] for item in idle.items(job_id)} == {"expired"}
    assert idle.redis.zcard(keys.DEADLINES) == 0


@pytest.mark.slow
def test_an_asynchronous_single_expires_too(idle: System) -> None:
    reply = idle.http.get("/mnist/classify/3?timeout_s=0.2", headers={"Prefer": "respond-async"})
    assert idle.finished(reply.json()["id"], wait_s=20)["state"] == "expired"


def test_a_job_that_ends_before_its_deadline_stays_done(system: System) -> None:
    job_id = system.submit(params={"timeout_s": "30"}, json={"start": 0, "stop": 10})
    assert system.finished(job_id)["state"] == "done"


@pytest.mark.parametrize("timeout_s", ["0", "-1", "nan", "inf", "soon", "1e9", ""])
@pytest.mark.parametrize("path", ["/mnist/classify/3", "/mnist/classify/bulk"])
def test_an_invalid_timeout_is_a_422_that_names_it(system: System, path: str, timeout_s: str) -> None:
    method = "POST" if path.endswith("bulk") else "GET"
    reply = system.http.request(method, path, params={"timeout_s": timeout_s})
    assert reply.status_code == 422
    assert "timeout_s" in reply.json()["detail"]


@pytest.mark.slow
def test_a_single_image_whose_deadline_passes_is_refused_and_never_run(busy: System, test_set: Split) -> None:
    reply = busy.http.get("/mnist/classify/5?timeout_s=0.3")
    assert reply.status_code == 504
    assert reply.json()["title"] == "Deadline passed"
    busy.workers["worker-1"].signal(signal.SIGCONT)
    assert busy.http.get("/mnist/classify/5").json()["prediction"] == test_set.labels[5]
    (worker,) = wait_for_images(busy, 1)
    assert worker["images"] == 1, "the expired image was not run"


@pytest.mark.slow
def test_the_image_of_a_disconnected_client_leaves_the_queue(busy: System, test_set: Split) -> None:
    with pytest.raises(Exception, match="timed out"):
        busy.http.get("/mnist/classify/5", timeout=0.5)
    while not list(busy.redis.scan_iter(keys.dropped("*"))):
        pause()
    busy.workers["worker-1"].signal(signal.SIGCONT)
    assert busy.http.get("/mnist/classify/7").json()["prediction"] == test_set.labels[7]
    (worker,) = wait_for_images(busy, 1)
    assert worker["images"] == 1, "the image that nobody waits for was not run"


def wait_for_images(system: System, images: int) -> list[dict[str, int]]:
    """Wait for heartbeats with this number of images."""
    while True:
        workers: list[dict[str, int]] = system.http.get("/status").json()["workers"]
        if sum(worker["images"] for worker in workers) >= images:
            return workers
