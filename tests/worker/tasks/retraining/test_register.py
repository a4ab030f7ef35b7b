import time
from typing import Any

import orjson
import pytest

from shared.contract.training import Parameters, Training
from shared.redis import keys
from shared.redis.clients import SyncClient
from worker.tasks.retraining.register import LEASE_S, MESSAGE_WAIT_S, Register

ASKED: dict[Any, Any] = {
    "model": "cnn",
    "parameters": orjson.dumps({"epochs": 3}),
    "state": "queued",
    "created_ms": 1,
    "key": "alice",
}


@pytest.fixture
def register(client: SyncClient) -> Register:
    """Return the register of the trainer `a`, with the training t1 queued."""
    client.hset(keys.training("t1"), mapping=ASKED)
    client.zadd(keys.TRAININGS_DUE, {"t1": 1})
    return Register(client, "a", ttl_s=1000, heartbeat_ttl_s=10)


def fields_of(client: SyncClient) -> dict[str, str]:
    fields: dict[Any, Any] = client.hgetall(keys.training("t1"))
    return {name.decode(): value.decode() for name, value in fields.items()}


def due_in_s(client: SyncClient) -> float | None:
    due: Any = client.zscore(keys.TRAININGS_DUE, "t1")
    return None if due is None else due / 1e3 - time.time()


def test_a_due_training_is_claimed_once_and_is_due_again_if_nobody_begins_it(
    client: SyncClient, register: Register
) -> None:
    assert register.claim() == "t1"
    assert register.claim() is None
    assert due_in_s(client) == pytest.approx(MESSAGE_WAIT_S, abs=2)


def test_a_training_is_read_as_it_was_requested(client: SyncClient, register: Register) -> None:
    parameters = Parameters(epochs=3)
    asked = Training(id="t1", model="cnn", state="queued", parameters=parameters, created_ms=1, key="alice")
    assert register.read("t1") == asked
    client.hset(keys.training("t1"), "publishing", 4)
    training = register.read("t1")
    assert training is not None
    assert training.publishing == 4


def test_a_training_that_is_gone_is_forgotten(client: SyncClient, register: Register) -> None:
    client.delete(keys.training("t1"))
    assert register.read("t1") is None
    assert due_in_s(client) is None


def test_a_training_begins_once_for_any_number_of_messages(client: SyncClient, register: Register) -> None:
    assert register.begin("t1") == 1
    assert Register(client, "b", 1000, 10).begin("t1") == 0
    assert register.begin("t1") == 0
    assert fields_of(client)["trainer"] == "a"
    assert due_in_s(client) == pytest.approx(LEASE_S, abs=2)


def test_a_training_whose_lease_has_ended_is_taken_over_and_its_former_trainer_cannot_write(
    client: SyncClient, register: Register
) -> None:
    register.begin("t1")
    client.hset(keys.training("t1"), "lease_ms", 5)
    assert Register(client, "b", 1000, 10).begin("t1") == 2
    assert not register.record("t1", 1, {"stage": "qa"})
    assert not register.finish("t1", 1, "published", {"version": "cnn@9"})
    assert fields_of(client).keys() & {"stage", "version", "finished_ms"} == set()


def test_a_record_renews_the_lease_and_the_time_to_live(client: SyncClient, register: Register) -> None:
    attempt = register.begin("t1")
    client.zadd(keys.TRAININGS_DUE, {"t1": 5})
    client.persist(keys.training("t1"))
    assert register.record("t1", attempt, {"stage": "train"})
    assert due_in_s(client) == pytest.approx(LEASE_S, abs=2)
    assert fields_of(client)["stage"] == "train"
    assert client.ttl(keys.training("t1")) > 1000, "its own time to live counts from its end"


def test_a_final_training_is_not_due_and_does_not_change(client: SyncClient, register: Register) -> None:
    attempt = register.begin("t1")
    assert register.finish("t1", attempt, "refused", {"reason": "worse"})
    assert 0 < client.ttl(keys.training("t1")) <= 1000
    assert due_in_s(client) is None
    assert (fields_of(client)["state"], fields_of(client)["reason"]) == ("refused", "worse")
    assert not register.is_open("t1")
    assert not register.record("t1", attempt, {"stage": "publish"})
    assert register.begin("t1") == 0


def test_a_released_training_is_due_at_once_for_any_trainer(client: SyncClient, register: Register) -> None:
    register.release("t1", register.begin("t1"))
    assert fields_of(client)["state"] == "queued"
    other = Register(client, "b", 1000, 10)
    assert other.claim() == "t1"
    assert other.begin("t1") == 2


def test_a_trainer_reports_that_it_is_alive_and_that_it_leaves(client: SyncClient, register: Register) -> None:
    client.zadd(keys.TRAINERS, {"long-silent": 5})
    register.write_heartbeat()
    assert client.zrange(keys.TRAINERS, 0, -1) == [b"a"]
    assert client.ttl(keys.TRAINERS) > 0
    register.leave()
    assert not client.exists(keys.TRAINERS)
