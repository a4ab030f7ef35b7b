"""Trainings requested by clients while no trainer runs."""

import re
import time
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import pytest

from shared.redis import keys
from tests.support.system import RedisServer, System, running

ALICE, OPS = "alices-key-of-many-characters", "the-key-of-ops"
ADMIN = {"X-API-Key": OPS}
PATH = "/models/cnn/train"


@pytest.fixture(scope="module")
def api(redis_server: RedisServer) -> Iterator[System]:
    """An API with keys and room for two trainings; no worker, no trainer."""
    known = [f"alice:{sha256(ALICE.encode()).hexdigest()}", f"ops:{sha256(OPS.encode()).hexdigest()}:admin"]
    environ = {"API_KEYS": " ".join(known), "MAX_TRAININGS": "2"}
    with running(redis_server.new_url(), 0, environ, api_in_thread=True) as system:
        system.http.headers.update(ADMIN)
        yield system


@pytest.fixture(autouse=True)
def empty(api: System) -> None:
    api.redis.flushdb()


def test_it_is_queued_also_where_no_trainer_runs_and_the_reply_says_that_none_does(api: System) -> None:
    reply = api.http.post(PATH, json={"epochs": 3})
    assert reply.status_code == 202
    training = reply.json()
    assert reply.headers["location"] == training["links"]["self"] == f"{PATH}/{training['id']}"
    assert (training["state"], training["model"], training["attempt"]) == ("queued", "cnn", 0)
    assert training["parameters"]["epochs"] == 3
    assert training["trainers"] == []
    assert re.search("no trainer is running.*`make run TRAINER=1`.*celery -A worker.tasks.trainer", training["notice"])
    assert api.http.get("/status").json()["trainings"] == {"unfinished": 1, "notice": training["notice"]}
    assert api.http.get(PATH).json()["notice"] == training["notice"]
    assert api.http.get(reply.headers["location"]).json() == training
    for key in api.redis.scan_iter("*training*"):
        assert api.redis.ttl(key) > 0


def test_the_notice_ends_with_a_trainer_or_with_the_training(api: System) -> None:
    first, second = (api.http.post(PATH).json()["links"]["self"] for _ in range(2))
    api.http.delete(first)
    assert (api.http.get(first).json()["notice"], bool(api.http.get(second).json()["notice"])) == (None, True)
    api.redis.zadd(keys.TRAINERS, {"trainer@host": time.time() + 60})
    for path in (second, PATH):
        assert api.http.get(path).json()["notice"] is None
    assert api.http.get("/status").json()["trainings"] == {"unfinished": 1, "notice": None}


def test_without_a_body_all_parameters_keep_their_defaults(api: System) -> None:
    assert api.http.post(PATH).json()["parameters"]["epochs"] == 60


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b'{"epochs": 0}', "Expected `int` >= 1 - at `$.epochs`"),
        (b"[]", "Expected `object`, got `array`"),
        (b"{", ""),
        (b'{"x": 1}', "unknown field `x`"),
    ],
)
def test_parameters_that_cannot_be_used_are_refused_and_nothing_is_queued(
    api: System, body: bytes, detail: str
) -> None:
    reply = api.http.post(PATH, content=body)
    assert reply.status_code == 422
    assert detail in reply.json()["detail"]
    assert api.redis.dbsize() == 0


def test_a_body_that_is_too_long_is_refused(api: System) -> None:
    assert api.http.post(PATH, content=b" " * 20_000).status_code == 413


@pytest.mark.parametrize("path", ["/models/no-such/train", f"{PATH}/t0123456789abcdef", f"{PATH}/..x"])
def test_what_is_not_there_is_a_404(api: System, path: str) -> None:
    assert api.http.get(path).status_code == 404


def test_a_training_is_found_under_its_own_model_only(api: System) -> None:
    training_id = api.http.post(PATH).json()["id"]
    assert api.http.get(f"/models/cnn-small/train/{training_id}").status_code == 404


def test_it_takes_an_admins_key(api: System) -> None:
    path = api.http.post(PATH).headers["location"]
    for method, url in (("POST", PATH), ("GET", PATH), ("GET", path), ("DELETE", path)):
        assert api.http.request(method, url, headers={"X-API-Key": ALICE}).status_code == 403


def test_there_may_be_so_many_and_cancelling_one_makes_room(api: System) -> None:
    paths = [api.http.post(PATH).headers["location"] for _ in range(2)]
    refused = api.http.post(PATH)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
    assert "MAX_TRAININGS" in refused.json()["detail"]
    assert api.http.delete(paths[0]).json()["state"] == "cancelled"
    assert api.http.post(PATH).status_code == 202
    listed: list[dict[str, Any]] = api.http.get(PATH).json()["trainings"]
    assert {each["state"] for each in listed} == {"queued", "cancelled"}
    assert len(listed) == 3


def test_a_cancelled_one_stays_as_it_is(api: System) -> None:
    path = api.http.post(PATH).headers["location"]
    first = api.http.delete(path).json()
    assert first["finished_ms"] is not None
    assert api.http.delete(path).json() == first
    assert api.redis.zcard(keys.TRAININGS_DUE) == 0


def test_one_that_is_being_published_is_not_cancelled(api: System) -> None:
    training = api.http.post(PATH).json()
    api.redis.hset(keys.training(training["id"]), mapping={"state": "running", "stage": "publish"})
    refused = api.http.delete(training["links"]["self"])
    assert refused.status_code == 409
    assert "being published" in refused.json()["detail"]
    assert api.http.get(training["links"]["self"]).json()["state"] == "running"
