"""Callbacks from end to end: real Redis, API, inference worker, tasks worker and receiver."""

import json
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from deploy.processes import free_port
from shared.redis import keys
from tests.support.processes import check_ping
from tests.support.receiver import Received, Receiver, receiving
from tests.support.system import SMALL, RedisServer, System, running
from tests.support.uploads import idx, noise
from worker.tasks.callbacks.signature import sign

SECRET = "a-secret-for-this-test-only"  # noqa: S105
ENVIRON = {
    **SMALL,
    "WEBHOOK_SECRET": SECRET,
    "WEBHOOK_ALLOW_PRIVATE": "1",
    "WEBHOOK_ATTEMPTS": "3",
    "LOG_LEVEL": "debug",
}
RANGE = {"start": 0, "stop": 3}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def calling(redis_server: RedisServer) -> Iterator[System]:
    """A system that calls back, shared by the tests that break nothing."""
    with running(redis_server.new_url(), environ=ENVIRON, api_in_thread=True) as system:
        system.start_tasks_worker({"WEBHOOK_TIMEOUT_S": "60"})
        yield system


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as each:
        yield each


def submit(system: System, url: str) -> str:
    return system.submit(params={"callback_url": url}, json=RANGE)


def callback_of(system: System, job_id: str) -> dict[str, Any]:
    callback: dict[str, Any] = system.http.get(f"/results/{job_id}").json()["callback"]
    return callback


def settled(system: System, job_id: str) -> dict[str, Any]:
    """Return the final state of the callback."""
    pause = threading.Event()
    while (callback := callback_of(system, job_id))["state"] == "waiting":
        pause.wait(0.05)  # the test's own time-out says when this has failed
    assert system.redis.zscore(keys.CALLBACKS, job_id) is None
    return callback


def check_signed(received: Received) -> dict[str, Any]:
    """Check a callback as docs/http-jobs.md describes, and return the body."""
    timestamp = received.headers["mnistified-timestamp"]
    assert received.headers["mnistified-signature"] == sign(SECRET, timestamp, received.body)
    assert abs(time.time() - int(timestamp)) < 60
    body: dict[str, Any] = json.loads(received.body)
    assert received.headers["idempotency-key"] == body["id"]
    return body


def test_a_job_that_ends_calls_back_once_with_a_signature(calling: System, receiver: Receiver) -> None:
    url = receiver.url("/hook?token=of-the-receiver")
    job_id = submit(calling, url)
    received = receiver.next()
    body = check_signed(received)
    assert received.path == "/hook?token=of-the-receiver"
    assert received.headers["content-type"] == "application/json"
    assert received.headers["user-agent"] == "MNISTified"
    job = calling.http.get(f"/results/{job_id}").json()
    assert body.pop("finished_ms") == int(calling.redis.hget(keys.job(job_id), "finished_ms") or 0)
    assert body == {name: job[name] for name in ("id", "state", "total", "counts", "model")}
    assert settled(calling, job_id) == {"url": url, "state": "delivered", "attempts": 1}
    assert receiver.received.empty()


def test_a_job_whose_images_are_all_unreadable_calls_back_too(calling: System, receiver: Receiver) -> None:
    """The API itself ends the job: no worker sees it."""
    calling.submit(params={"callback_url": receiver.url()}, content=b'"no image"\n{"image": ""}\n')
    assert check_signed(receiver.next())["counts"]["failed"] == 2


def test_a_callback_that_is_answered_with_an_error_is_sent_again(calling: System) -> None:
    with receiving((500, 500)) as receiver:
        job_id = submit(calling, receiver.url())
        assert [check_signed(receiver.next())["id"] for _ in range(3)] == [job_id] * 3
        assert settled(calling, job_id) == {"url": receiver.url(), "state": "delivered", "attempts": 3}


def test_a_callback_fails_after_its_last_attempt_and_redirects_are_not_followed(calling: System) -> None:
    with receiving((302, 307, 308)) as receiver:
        job_id = submit(calling, receiver.url())
        assert {receiver.next().path for _ in range(3)} == {"/hook"}
        assert settled(calling, job_id) == {"url": receiver.url(), "state": "failed", "attempts": 3}
        assert receiver.received.empty()


def test_a_receiver_that_hangs_delays_neither_jobs_nor_other_callbacks(calling: System, receiver: Receiver) -> None:
    """More callbacks go to it than the tasks worker has threads."""
    receiver.go_on.clear()
    hanging = [submit(calling, receiver.url()) for _ in range(36)]
    receiver.next()
    with receiving() as other:
        job_id = submit(calling, other.url())
        assert calling.finished(job_id)["state"] == "done"
        assert check_signed(other.next())["id"] == job_id
    assert {callback_of(calling, job_id)["state"] for job_id in hanging} == {"waiting"}
    receiver.go_on.set()
    assert {settled(calling, job_id)["state"] for job_id in hanging} == {"delivered"}


def test_a_cancelled_job_calls_back(calling: System, receiver: Receiver) -> None:
    worker = calling.workers["worker-1"]
    worker.signal(signal.SIGSTOP)
    try:
        job_id = submit(calling, receiver.url())
        calling.http.delete(f"/results/{job_id}")
        body = check_signed(receiver.next())
    finally:
        worker.signal(signal.SIGCONT)
    assert (body["id"], body["state"], body["counts"]["cancelled"]) == (job_id, "cancelled", 3)


def test_an_upload_that_breaks_off_calls_nobody_back(calling: System, receiver: Receiver) -> None:
    body = idx(noise(3000))[: 2000 * 784]
    params = {"callback_url": receiver.url("/broken")}
    assert calling.http.post("/mnist/classify/bulk", params=params, content=body).status_code == 400
    submit(calling, receiver.url("/whole"))
    assert receiver.next().path == "/whole"
    assert receiver.received.empty()


@pytest.mark.parametrize("url", ["https://user:secret@example.com/", "ftp://example.com/", "https://x/" + "x" * 2000])
def test_a_url_that_cannot_be_called_is_refused_before_the_upload_is_read(calling: System, url: str) -> None:
    reply = calling.http.post("/mnist/classify/bulk", params={"callback_url": url}, content=b"what is this?")
    assert reply.status_code == 422
    assert reply.json()["detail"].startswith("callback_url ")
    assert "secret" not in reply.text


def test_callbacks_are_refused_without_a_secret(system: System) -> None:
    reply = system.http.post("/mnist/classify/bulk", params={"callback_url": "https://example.com/"}, json=RANGE)
    assert reply.status_code == 422
    assert "WEBHOOK_SECRET" in reply.json()["detail"]


def test_the_two_kinds_of_worker_do_not_answer_for_each_other(calling: System) -> None:
    for app, name in (("worker.app", "worker-1@"), ("worker.tasks.app", "tasks@")):
        assert f"->  {name}" in check_ping(calling.environ, app)


@pytest.mark.timeout(120)
def test_a_tasks_worker_that_is_killed_leaves_its_callbacks_to_the_next(
    redis_server: RedisServer, receiver: Receiver
) -> None:
    receiver.go_on.clear()
    with running(redis_server.new_url(), environ={**ENVIRON, "WEBHOOK_TIMEOUT_S": "2"}, api_in_thread=True) as system:
        killed = system.start_tasks_worker()
        job_id = submit(system, receiver.url())
        assert check_signed(receiver.next())["id"] == job_id
        killed.signal(signal.SIGKILL)
        assert killed.wait() == -signal.SIGKILL, "and nothing that it started is left to keep its output open"
        receiver.go_on.set()
        assert callback_of(system, job_id)["state"] == "waiting"

        system.start_tasks_worker()
        assert check_signed(receiver.next())["id"] == job_id
        assert settled(system, job_id) == {"url": receiver.url(), "state": "delivered", "attempts": 2}


@pytest.mark.timeout(120)
def test_private_addresses_secrets_and_the_end_on_term(redis_server: RedisServer, receiver: Receiver) -> None:
    """The API allows private addresses here, so that the worker's own check refuses them."""
    with running(redis_server.new_url(), environ=ENVIRON) as system:
        tasks = system.start_tasks_worker({"WEBHOOK_ALLOW_PRIVATE": "0", "WEBHOOK_ATTEMPTS": "1"})
        refused = [submit(system, receiver.url("/?token=hidden", host)) for host in ("127.0.0.1", "localhost")]
        gone = submit(system, f"http://no-such-name.invalid:{free_port()}/?token=hidden")
        assert [settled(system, job_id)["state"] for job_id in (*refused, gone)] == ["failed"] * 3
        assert receiver.received.empty()
        tasks.wait_for_line("the URL names a private address")
        assert tasks.stop() == 0
        for process in (tasks, *system.workers.values(), system.api):
            assert SECRET not in process.output
            assert "hidden" not in process.output
