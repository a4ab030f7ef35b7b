"""Redis refuses commands for a while: no worker and no trainer exits, and all of them continue by themselves."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.redis import keys
from tests.support.bad_redis import BadRedis
from tests.support.processes import wait_until
from tests.support.system import READY, System, running

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def system(bad_redis: BadRedis) -> Iterator[System]:
    with running(bad_redis.url, environ={"LEASE_MS": "1000", "WORKER_TTL_S": "2"}) as started:
        yield started


@pytest.mark.parametrize("code", ["READONLY", "MISCONF", "NOREPLICAS", "BUSY", "OOM", "NOAUTH", "NOPERM"])
def test_a_worker_continues_after_each_condition(bad_redis: BadRedis, system: System, code: str) -> None:
    worker = system.workers["worker-1"]
    worker.signal(signal.SIGSTOP)
    job_id = system.submit(json={"start": 0, "stop": 50})
    with bad_redis.conditions()[code]():
        worker.signal(signal.SIGCONT)
        assert system.http.get("/readyz").status_code == 503
        assert system.http.get("/mnist/classify/0").status_code == 503
    assert system.finished(job_id)["counts"]["done"] == 50
    wait_until(lambda: system.http.get("/readyz").status_code == 200, "the service is ready")
    assert system.http.get("/mnist/classify/0").status_code == 200
    assert (worker.status, system.api.status) == (None, None)


@pytest.mark.parametrize("command", ["xreadgroup", "evalsha", "publish"])
def test_a_worker_without_one_permission_is_not_ready_and_continues(
    bad_redis: BadRedis, system: System, command: str
) -> None:
    worker = system.workers["worker-1"]
    with bad_redis.without_permission(command):
        worker.wait_for_line(f"permissions to run the '{command}' command")
        job_id = system.submit(json={"start": 0, "stop": 50})
        wait_until(lambda: system.http.get("/readyz").status_code == 503, "the worker sends no heartbeats")
    assert system.finished(job_id)["counts"]["done"] == 50
    wait_until(lambda: system.http.get("/readyz").status_code == 200, "the service is ready")
    assert worker.status is None


def test_a_worker_that_starts_meanwhile_waits_and_can_be_stopped(bad_redis: BadRedis, system: System) -> None:
    with bad_redis.read_only():
        stopped = system.start_worker("worker-2", line="the start waits")
        waiting = system.start_worker("worker-3", line="the start waits")
        assert stopped.stop() == 0
    waiting.wait_for_line(READY)
    assert waiting.stop() == 0


def test_a_key_in_the_way_of_one_lane_stops_no_worker(bad_redis: BadRedis, system: System) -> None:
    worker = system.workers["worker-1"]
    wait_until(lambda: system.http.get("/readyz").status_code == 200, "the worker is known after the tests before")
    with bad_redis.in_the_way(keys.stream("cnn", "bulk", 3)):
        worker.wait_for_line("the entries of cnn cannot be read")
        assert system.http.get("/mnist/classify/1").status_code == 200
        other = system.submit(json={"start": 0, "stop": 50}, params={"model": "cnn-small"})
        assert system.finished(other)["counts"]["done"] == 50
        assert system.start_worker("worker-4").stop() == 0
    assert system.finished(system.submit(json={"start": 0, "stop": 50}))["counts"]["done"] == 50
    assert worker.status is None


def test_a_trainer_that_starts_meanwhile_waits(bad_redis: BadRedis, system: System, tmp_path: Path) -> None:
    environ = {"MODELS_DIR": str(tmp_path), "TRAINER_DIR": str(tmp_path / "trainings")}
    with bad_redis.read_only():
        trainer = system.start_trainer(environ, line="trainings cannot be polled")
    wait_until(lambda: system.http.get("/status").json().get("trainers"), "the trainer is known")
    assert trainer.stop() == 0
