"""One id from a request's header to its reply, its job, and the logs of API and worker."""

import json

import pytest

from tests.support.system import System
from tests.support.uploads import image_file
from tests.worker.support.deliveries_of import images

NATIVE = "INFO: Created TensorFlow Lite"  # LiteRT's own, of its native code
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"


def test_a_single_keeps_the_id_that_it_brought_and_goes_by_its_own_without(system: System) -> None:
    image = image_file(images(1)[0])
    reply = system.http.post("/mnist/classify", content=image, headers={"X-Request-ID": "mine-1"})
    assert reply.headers["x-request-id"] == "mine-1"
    for reply in (system.http.post("/mnist/classify", content=image), system.http.get("/mnist/classify/7")):
        assert reply.headers["x-request-id"] == reply.json()["id"]
    traced = {"traceparent": f"00-{TRACE_ID}-b7ad6b7169203331-00"}
    assert system.http.post("/mnist/classify", content=image, headers=traced).headers["x-request-id"] == TRACE_ID


@pytest.mark.parametrize("path", ["/status", "/no/such/path", "/mnist/label/x", "/v2/health/live", "/healthz"])
def test_every_reply_has_an_id(system: System, path: str) -> None:
    made, other = (system.http.get(path).headers["x-request-id"] for _ in range(2))
    assert made != other
    assert system.http.get(path, headers={"X-Request-ID": "mine"}).headers["x-request-id"] == "mine"
    assert system.http.get(path, headers={"X-Request-ID": "no id"}).headers["x-request-id"] != "no id"


@pytest.mark.usefixtures("mnist")
def test_a_job_has_the_id_of_its_request_from_beginning_to_end(system: System) -> None:
    job_id = system.submit(json={"start": 0, "stop": 300}, headers={"X-Request-ID": "my-job"})
    assert system.finished(job_id)["request_id"] == "my-job"
    accepted = json.loads(system.api.wait_for_line(f'"job":"{job_id}"'))
    ended = json.loads(system.workers["worker-1"].wait_for_line('"request_id":"my-job"'))
    assert (accepted["message"], accepted["images"], accepted["request_id"]) == ("job accepted", 300, "my-job")
    assert (ended["message"], ended["job"], ended["done"], ended["failed"]) == ("job finished", job_id, 300, 0)
    assert 0 <= ended["took_s"] < 60


def test_a_job_of_a_request_without_an_id_has_the_one_that_its_reply_had(system: System) -> None:
    reply = system.http.get("/mnist/classify/3", headers={"Prefer": "respond-async"})
    assert system.finished(reply.json()["id"])["request_id"] == reply.headers["x-request-id"]


def test_a_compatibility_api_returns_the_same_request_id(system: System) -> None:
    asked = {"instances": images(2).tolist()}
    reply = system.http.post("/v1/models/cnn:predict", json=asked, headers={"X-Request-ID": "tf"})
    assert (reply.status_code, reply.headers["x-request-id"]) == (200, "tf")


def test_every_line_of_api_and_worker_is_an_object(system: System) -> None:
    assert system.http.get("/mnist/classify/3").status_code == 200
    for process in (system.api, system.workers["worker-1"]):
        told = [json.loads(line) for line in process.output.splitlines() if not line.startswith(NATIVE)]
        assert len(told) >= 2
        assert {"timestamp", "level", "message", "logger", "process", "pid"} <= set.intersection(*map(set, told))
