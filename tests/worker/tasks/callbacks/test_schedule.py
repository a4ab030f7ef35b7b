import time
from typing import Any

import msgspec
import pytest

from shared.contract.job import CallbackState
from shared.redis import keys
from shared.redis.clients import SyncClient
from worker.tasks.callbacks.schedule import Schedule, retry_delay_s

JOB: dict[Any, Any] = {
    "model": "cnn@1",
    "created_ms": 1000,
    "chunk_images": 256,
    "total": 3,
    "done": 2,
    "failed": 1,
    "expired": 0,
    "finished_ms": 5000,
    "callback_url": "https://example.com/hook",
}


@pytest.fixture
def schedule(client: SyncClient) -> Schedule:
    """Return a schedule in which the callback of the job j1 is due."""
    client.hset(keys.job("j1"), mapping=JOB)
    client.expire(keys.job("j1"), 1000)
    client.zadd(keys.CALLBACKS, {"j1": 1})
    return Schedule(client)


def now_ms() -> float:
    return time.time() * 1e3


def due_ms(client: SyncClient) -> float:
    due = client.zscore(keys.CALLBACKS, "j1")
    assert isinstance(due, float)
    return due


@pytest.mark.parametrize(("attempts", "longest_s"), [(1, 1), (2, 2), (3, 4), (10, 512), (11, 600), (100, 600)])
def test_the_wait_doubles_up_to_ten_minutes_and_jitter_shortens_it_by_a_half_at_most(
    attempts: int, longest_s: float
) -> None:
    assert retry_delay_s(attempts, 0.0) == longest_s
    assert retry_delay_s(attempts, 1.0) == longest_s / 2
    assert longest_s / 2 <= retry_delay_s(attempts) <= longest_s


def test_due_callbacks_are_claimed_once_and_others_are_left(client: SyncClient, schedule: Schedule) -> None:
    client.zadd(keys.CALLBACKS, {"j2": now_ms() + 60_000})
    assert schedule.claim() == ["j1"]
    assert schedule.claim() == []
    assert due_ms(client) > now_ms(), "due again at the end of the lease"


def test_a_callback_has_the_same_content_as_the_jobs_route(schedule: Schedule) -> None:
    callback = schedule.read("j1")
    assert callback is not None
    assert (callback.url, callback.attempts) == ("https://example.com/hook", 0)
    assert msgspec.to_builtins(callback.body) == {
        "id": "j1",
        "state": "done_with_errors",
        "total": 3,
        "counts": {"done": 2, "unsure": 0, "failed": 1, "expired": 0, "cancelled": 0},
        "model": "cnn@1",
        "finished_ms": 5000,
    }


def test_a_job_that_is_gone_or_has_no_callback_is_forgotten(client: SyncClient, schedule: Schedule) -> None:
    client.hdel(keys.job("j1"), "callback_url")
    client.zadd(keys.CALLBACKS, {"j2": 1})
    assert schedule.read("j1") is None
    assert schedule.read("j2") is None
    assert not client.exists(keys.CALLBACKS)


def test_a_failed_attempt_is_due_again_later(client: SyncClient, schedule: Schedule) -> None:
    assert schedule.record("j1", "waiting", 3, 60.0)
    assert client.hmget(keys.job("j1"), "callback_state", "callback_attempts") == [b"waiting", b"3"]
    assert now_ms() + 50_000 < due_ms(client) <= now_ms() + 60_000
    assert int(client.ttl(keys.CALLBACKS)) > 1000, "other jobs may live longer"
    callback = schedule.read("j1")
    assert callback is not None
    assert callback.attempts == 3


@pytest.mark.parametrize("state", ["delivered", "failed"])
def test_a_settled_callback_is_not_due_any_more_and_a_late_attempt_changes_nothing(
    state: CallbackState, client: SyncClient, schedule: Schedule
) -> None:
    assert schedule.record("j1", state, 2)
    assert not schedule.record("j1", "waiting", 2, 1.0)
    schedule.delay("j1", 1.0)
    assert not client.exists(keys.CALLBACKS)
    assert client.hget(keys.job("j1"), "callback_state") == state.encode()


def test_an_attempt_that_took_too_long_does_not_decide_for_the_one_that_has_replaced_it(
    client: SyncClient, schedule: Schedule
) -> None:
    assert schedule.begin("j1", 1, 60.0)
    assert not schedule.begin("j1", 1, 60.0), "another thread has begun it"
    assert schedule.begin("j1", 2, 60.0)
    assert not schedule.record("j1", "failed", 1)
    assert schedule.record("j1", "delivered", 2)
    assert client.hmget(keys.job("j1"), "callback_state", "callback_attempts") == [b"delivered", b"2"]


def test_a_job_that_is_gone_is_not_written_again(client: SyncClient, schedule: Schedule) -> None:
    client.delete(keys.job("j1"))
    assert not schedule.record("j1", "delivered", 1)
    assert not client.exists(keys.job("j1"), keys.CALLBACKS)


@pytest.mark.parametrize("state", ["delivered", "failed"])
def test_a_callback_is_due_for_longer_than_its_job_lives(
    state: CallbackState, client: SyncClient, schedule: Schedule
) -> None:
    client.copy(keys.job("j1"), keys.job_callback("j1"))  # as the scripts do that end a job
    assert schedule.begin("j1", 1, 60.0)
    client.delete(keys.job("j1"))
    callback = schedule.read("j1")
    assert callback is not None
    assert (callback.url, callback.attempts) == (JOB["callback_url"], 1)
    assert not schedule.begin("j1", 1, 60.0)
    assert schedule.begin("j1", 2, 60.0)
    assert schedule.record("j1", state, 2)
    assert client.keys("*") == []


def test_a_delay_is_not_an_attempt(client: SyncClient, schedule: Schedule) -> None:
    schedule.delay("j1", 60.0)
    assert due_ms(client) > now_ms() + 50_000
    assert client.hget(keys.job("j1"), "callback_attempts") is None
