"""A champion is promoted and rolled back in the whole system with two workers, during singles and jobs."""

import json
import math
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from shared.contract.block.codec import decode_block
from shared.redis import keys
from tests.support.registries import copy_version
from tests.support.system import RedisServer, System, running
from tests.support.thoroughness import WIDE
from tests.support.threads import repeating

CHAMPION = "/models/cnn/aliases/champion"
CLIENTS = 4
ASKING = 8  # connections with requests for a canary
ANSWERS = 50  # minimum between two changes
JOB_IMAGES = 1000


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    models_dir = tmp_path_factory.mktemp("models")
    for version in (1, 2):
        copy_version(models_dir, version)
    return models_dir


@pytest.fixture(scope="module")
def two_workers(redis_server: RedisServer, models_dir: Path) -> Iterator[System]:
    """Yield two workers that count as alive even if they are stopped for a while."""
    environ = {"MODELS_DIR": str(models_dir), "WORKER_TTL_S": "30"}
    with running(redis_server.new_url(), 2, environ, api_in_thread=True) as system:
        yield system


def promote(system: System, version: int, **more: object) -> dict[str, Any]:
    reply = system.http.post(CHAMPION, json={"version": version, **more})
    assert reply.status_code == 200, reply.text
    return dict(reply.json())


def versions_that_ran(system: System, job_id: str) -> set[str]:
    """Return the versions in the result blocks that the workers wrote."""
    blocks: dict[bytes, bytes] = system.redis.hgetall(keys.job_blocks(job_id))  # type: ignore[assignment]
    return {decode_block(block).model for block in blocks.values()}


@dataclass(frozen=True, slots=True)
class Answer:
    """Times are monotonic. `version` is the whole reply if the reply names no version."""

    asked_s: float
    answered_s: float
    status: int
    version: str


class Clients:
    """Threads that request one image after another from the default model."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._more = threading.Condition()
        self.answers: list[Answer] = []

    def asking(self) -> AbstractContextManager[None]:
        return repeating(self._ask, CLIENTS)

    def wait_for(self, answers: int) -> None:
        """Wait until this number of further answers has arrived."""
        with self._more:
            wanted = len(self.answers) + answers
            assert self._more.wait_for(lambda: len(self.answers) >= wanted, 60)

    def _ask(self, index: int) -> None:
        asked_s = time.monotonic()
        reply = self._system.http.get(f"/mnist/classify/{index}")
        version = reply.json().get("model", reply.text)
        with self._more:
            self.answers.append(Answer(asked_s, time.monotonic(), reply.status_code, version))
            self._more.notify_all()


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_promotion_and_a_rollback_fail_no_request_and_every_result_names_its_version(two_workers: System) -> None:
    system = two_workers
    promote(system, 1)
    jobs: list[str] = []
    sent_s: list[float] = []
    promoted_s: list[float] = []
    clients = Clients(system)
    with clients.asking():
        for version in (2, 1, 2):
            clients.wait_for(ANSWERS)
            jobs.append(system.submit(json={"start": 0, "stop": JOB_IMAGES}))
            sent_s.append(time.monotonic())
            promote(system, version)
            promoted_s.append(time.monotonic())
        clients.wait_for(ANSWERS)

    assert {answer.status for answer in clients.answers} == {200}
    assert {answer.version for answer in clients.answers} == {"cnn@1", "cnn@2"}
    for version, since_s, until_s in zip((1, 2, 1, 2), [0.0, *promoted_s], [*sent_s, math.inf], strict=True):
        between = [each for each in clients.answers if each.asked_s > since_s and each.answered_s < until_s]
        assert {answer.version for answer in between} == {f"cnn@{version}"}
    for job_id, ref in zip(jobs, ("cnn@1", "cnn@2", "cnn@1"), strict=True):
        job = system.finished(job_id)
        assert (job["state"], job["counts"]["done"], job["model"]) == ("done", JOB_IMAGES, ref)
        assert versions_that_ran(system, job_id) == {ref}


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_queued_images_keep_the_version_at_their_acceptance(two_workers: System) -> None:
    system = two_workers
    promote(system, 2)
    promote(system, 1)
    for worker in system.workers.values():
        worker.signal(signal.SIGSTOP)
    try:
        before = system.submit(json={"start": 0, "stop": JOB_IMAGES})
        promote(system, 2)  # both workers have loaded both versions
        after = system.submit(json={"start": 0, "stop": JOB_IMAGES})
        assert system.http.get(f"/results/{before}").json()["state"] == "queued"
    finally:
        for worker in system.workers.values():
            worker.signal(signal.SIGCONT)
    for job_id, version in ((before, "cnn@1"), (after, "cnn@2")):
        job = system.finished(job_id)
        assert (job["state"], job["counts"]["done"], job["model"]) == ("done", JOB_IMAGES, version)
        assert versions_that_ran(system, job_id) == {version}


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_canary_at_5_percent_answers_5_percent_of_the_requests(two_workers: System) -> None:
    """The share may be off by 6 standard deviations of a binomial. Chance exceeds that once in a million runs."""
    requests, share = 3000 if WIDE else 1000, 0.05
    promote(two_workers, 1, canary=2, canary_percent=100 * share)

    def ask(times: int) -> list[str]:
        """Send requests on one connection. httpx would take longer for a request than the service."""
        with closing(HTTPConnection("127.0.0.1", two_workers.port, timeout=60)) as connection:
            served = []
            for _ in range(times):
                connection.request("GET", "/mnist/classify/7")
                reply = connection.getresponse()
                body = reply.read()
                assert reply.status == 200, body
                served.append(str(json.loads(body)["model"]))
            return served

    with ThreadPoolExecutor(ASKING) as pool:
        served = [model for models in pool.map(ask, [requests // ASKING] * ASKING) for model in models]
    assert len(served) == requests
    assert set(served) == {"cnn@1", "cnn@2"}
    assert abs(served.count("cnn@2") - requests * share) < 6 * math.sqrt(requests * share * (1 - share))


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_job_has_one_version_and_a_canary_gets_its_share_of_jobs(two_workers: System) -> None:
    """Send 24 jobs at 50 %. Chance gives all of them one version once in 8 million runs."""
    system = two_workers
    promote(system, 1, canary=2, canary_percent=50)
    jobs = [system.submit(json={"start": 0, "stop": 600}) for _ in range(24)]
    served = [system.finished(job_id)["model"] for job_id in jobs]
    assert set(served) == {"cnn@1", "cnn@2"}
    assert [versions_that_ran(system, job_id) for job_id in jobs] == [{version} for version in served]


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_new_version_is_published_and_promoted_during_requests(two_workers: System, models_dir: Path) -> None:
    """Both workers load it next to the version that they serve. No request waits for that or is refused."""
    system = two_workers
    promote(system, 1)
    clients = Clients(system)
    with clients.asking():
        clients.wait_for(ANSWERS)
        copy_version(models_dir, 3)
        promote(system, 3)
        promoted_s = time.monotonic()
        clients.wait_for(ANSWERS)
    workers = system.http.get("/status").json()["workers"]
    assert ["cnn@3" in worker["models"] for worker in workers] == [True, True]
    assert {answer.status for answer in clients.answers} == {200}
    assert {answer.version for answer in clients.answers if answer.asked_s > promoted_s} == {"cnn@3"}
    promote(system, 1)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_the_same_upload_sent_again_after_a_promotion_is_the_same_job(two_workers: System) -> None:
    """The requests are compared as sent, not by the version that they would get now."""
    promote(two_workers, 1)
    request: dict[str, Any] = {
        "json": {"start": 0, "stop": 3},
        "headers": {"Idempotency-Key": "once"},
    }
    job_id = two_workers.submit(**request)
    promote(two_workers, 2)
    assert two_workers.submit(**request) == job_id
    assert two_workers.finished(job_id)["model"] == "cnn@1"
    other = two_workers.http.post("/mnist/classify/bulk", **request | {"params": {"model": "cnn@2"}})
    assert other.status_code == 409


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_promotion_to_a_version_that_does_not_load_changes_nothing(two_workers: System, models_dir: Path) -> None:
    promote(two_workers, 1)
    (copy_version(models_dir, 4) / "model.tflite").write_bytes(b"garbage")
    reply = two_workers.http.post(CHAMPION, params={"wait": 3}, json={"version": 4})
    assert reply.status_code == 503
    assert "has not loaded cnn@4" in reply.json()["detail"]
    assert "will not load" in reply.json()["detail"]
    answer = two_workers.http.get("/mnist/classify/7").json()
    assert answer["model"] == "cnn@1"
