"""Results by id: polling, waiting, reading partial results, cancelling."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from shared.data.dataset import Split
from tests.support.system import RedisServer, System, running
from tests.support.uploads import idx, noise


@pytest.fixture(scope="module")
def idle(redis_server: RedisServer) -> Iterator[System]:
    """A system without a worker, so that accepted images stay queued."""
    environ = {"MAX_QUEUED_BULK_IMAGES": "1500", "UPLOAD_STALL_S": "0.1"}
    with running(redis_server.new_url(), workers=0, environ=environ) as idle_system:
        yield idle_system


@pytest.fixture
def queued_job(idle: System) -> str:
    idle.redis.flushdb()
    return idle.submit(json={"start": 0, "stop": 100})


def log_of(system: System, job_id: str) -> list[dict[str, Any]]:
    """Return the API's description of a job."""
    return [line for line in map(json.loads, system.api.output.splitlines()) if line.get("job") == job_id]


def test_a_job_is_queued_until_a_worker_comes(idle: System, queued_job: str) -> None:
    job = idle.http.get(f"/results/{queued_job}").json()
    assert (job["state"], job["total"], job["progress"]) == ("queued", 100, 0.0)
    assert job["counts"] == {"done": 0, "unsure": 0, "failed": 0, "expired": 0, "cancelled": 0}
    states = {item["state"] for item in idle.items(queued_job)}
    assert states == {"queued"}


def test_waiting_ends_when_the_time_is_up(idle: System, queued_job: str) -> None:
    started_s = time.monotonic()
    job = idle.http.get(f"/results/{queued_job}?wait=0.3").json()
    assert job["state"] == "queued"
    assert time.monotonic() - started_s >= 0.3


def test_a_cancelled_job_is_final_at_once(idle: System, queued_job: str) -> None:
    job = idle.http.delete(f"/results/{queued_job}").json()
    assert job["state"] == "cancelled"
    assert job["counts"]["cancelled"] == 100
    assert {item["state"] for item in idle.items(queued_job)} == {"cancelled"}
    again = idle.http.delete(f"/results/{queued_job}").json()
    assert again == job
    idle.api.wait_for_line('"job finished","logger":"shared.telemetry.job_log"')
    (line,) = [line for line in log_of(idle, queued_job) if line["message"] == "job finished"]
    assert (line["cancelled"], line["done"], line["request_id"]) == (100, 0, job["request_id"])


def test_an_upload_that_breaks_off_is_logged_with_the_reason(idle: System, queued_job: str) -> None:
    body = idx(noise(700))[:-1]
    reply = idle.http.post("/mnist/classify/bulk", content=body, headers={"Content-Type": "application/x-idx"})
    assert reply.status_code == 400
    line = json.loads(idle.api.wait_for_line('"upload given up"'))
    assert (line["level"], line["images"], line["request_id"]) == ("info", 640, reply.headers["x-request-id"])
    assert "BadUpload" in line["reason"]


def test_a_full_queue_is_a_429_with_retry_after_and_stores_nothing(idle: System, queued_job: str) -> None:
    for _ in range(6):
        idle.submit(json={"start": 0, "stop": 200})
    before = idle.http.get("/status").json()["queues"]["cnn"]["bulk"]["images"]
    reply = idle.http.post("/mnist/classify/bulk", json={"start": 0, "stop": 200})
    assert before == 1300
    assert reply.status_code == 202, "exactly full is not over"
    reply = idle.http.post("/mnist/classify/bulk", json={"start": 0, "stop": 1})
    assert reply.status_code == 429
    assert int(reply.headers["retry-after"]) >= 1
    assert "1500" in reply.json()["detail"]
    assert idle.http.get("/status").json()["queues"]["cnn"]["bulk"]["images"] == 1500


def test_without_a_worker_a_synchronous_request_is_a_503_and_readyz_fails(idle: System) -> None:
    for path in ("/mnist/classify/0", "/readyz"):
        reply = idle.http.get(path)
        assert reply.status_code == 503
        assert "worker" in reply.json()["detail"]
        assert "retry-after" in reply.headers
    assert idle.http.get("/healthz").json() == {"status": "ok"}


def test_every_key_has_a_time_to_live(idle: System, queued_job: str) -> None:
    keys = idle.redis.keys("*")
    assert len(keys) >= 3
    assert {key: idle.redis.ttl(key) for key in keys if idle.redis.ttl(key) < 0} == {}


def test_items_come_page_by_page_and_as_ndjson(system: System, test_set: Split) -> None:
    job_id = system.submit(json={"start": 0, "stop": 150})
    system.finished(job_id)
    pages = []
    url: str | None = f"/results/{job_id}/items?offset=10&limit=60"
    while url:
        page = system.http.get(url).json()
        pages.append([item["index"] for item in page["items"]])
        url = page["next"]
    assert pages == [list(range(10, 70)), list(range(70, 130)), list(range(130, 150))]
    lines = system.http.get(f"/results/{job_id}/items", headers={"Accept": "application/x-ndjson"})
    assert lines.headers["content-type"] == "application/x-ndjson"
    items = [json.loads(line) for line in lines.text.splitlines()]
    assert items == system.items(job_id)


def test_items_past_the_end_are_none(system: System) -> None:
    job_id = system.submit(json={"start": 0, "stop": 5})
    assert system.http.get(f"/results/{job_id}/items?offset=5").json() == {"items": [], "next": None}


@pytest.mark.parametrize("result_id", ["j0123456789abcdef", "0123456789abcdef-0", "nothing", "0123456789abcdef-99999"])
def test_an_unknown_id_is_a_404(system: System, result_id: str) -> None:
    for path in (f"/results/{result_id}", f"/results/{result_id}?wait=1", f"/results/{result_id}/items"):
        assert system.http.get(path).status_code == 404
    assert system.http.delete(f"/results/{result_id}").status_code == 404


def test_a_404_says_how_long_results_of_this_kind_are_kept(system: System) -> None:
    kept = {"j0123456789abcdef": "86400 s", "0123456789abcdef-0": "300 s"}
    for result_id, kept_s in kept.items():
        assert system.http.get(f"/results/{result_id}").json()["detail"].endswith(f"results are kept for {kept_s}")


MALFORMED_WAITS = ("?wait=soon", "?wait=-1", "?wait=nan")
MALFORMED_PAGES = ("/items?offset=-1", "/items?limit=0", "/items?limit=10001", "/items?limit=many")


@pytest.mark.parametrize("path", [*MALFORMED_WAITS, *MALFORMED_PAGES])
def test_a_malformed_wait_or_page_is_a_422(system: System, path: str) -> None:
    job_id = system.submit(json={"start": 0, "stop": 1})
    assert system.http.get(f"/results/{job_id}{path}").status_code == 422
