"""The state of a silent worker in `/status`."""

import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.system import RedisServer, System, running

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def watched(redis_server: RedisServer) -> Iterator[System]:
    """A worker that writes a heartbeat every second, with a time to live of four seconds."""
    with running(redis_server.new_url(), environ={"WORKER_TTL_S": "4"}, api_in_thread=True) as watched_system:
        yield watched_system


def workers_when(system: System, true: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
    """Wait until `true` holds for the workers, and return them. The timeout of the test limits the wait."""
    while True:
        workers: list[dict[str, Any]] = system.http.get("/status").json()["workers"]
        if true(workers):
            return workers


def test_a_worker_that_misses_a_heartbeat_is_late_before_it_is_away(watched: System) -> None:
    (worker,) = watched.http.get("/status").json()["workers"]
    assert not worker["late"]
    watched.workers["worker-1"].signal(signal.SIGSTOP)
    (worker,) = workers_when(watched, lambda workers: not workers or workers[0]["late"])
    assert 1.4 <= worker["silent_s"] < 4  # rounded to milliseconds
    assert workers_when(watched, lambda workers: not workers) == []
    watched.workers["worker-1"].signal(signal.SIGCONT)
    (worker,) = workers_when(watched, lambda workers: bool(workers) and not workers[0]["late"])
    assert worker["silent_s"] < 1.4
