"""The events of real jobs, and of simulated progress if the test needs time-outs or a failing Redis."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest
from redis.exceptions import ConnectionError as RedisAway

from api.http.capacity import EventStreams
from api.queue.answers.job_view import job_json
from api.routes.results import events
from api.routes.results.events import HEARTBEAT, Progress, follow
from shared.contract.job import Job
from shared.errors import NotFound
from tests.support.processes import pause
from tests.support.system import RedisServer, System, running

Event = tuple[str, str, dict[str, Any]]  # name, id, data
STREAM = {"Accept": "text/event-stream"}


@pytest.fixture(scope="module")
def idle(redis_server: RedisServer) -> Iterator[System]:
    """A system without a worker, so that accepted images stay queued, and with one event stream at a time."""
    with running(redis_server.new_url(), workers=0, environ={"MAX_WATCHERS": "1"}) as idle_system:
        yield idle_system


def read_events(lines: Iterator[str]) -> Iterator[Event]:
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if line and name:
            fields[name] = value
        elif "data" in fields:
            yield fields["event"], fields["id"], json.loads(fields["data"])
            fields = {}


def all_events(system: System, path: str, last_id: str = "") -> list[Event]:
    headers = STREAM | ({"Last-Event-ID": last_id} if last_id else {})
    with system.http.stream("GET", f"{path}/events", headers=headers) as reply:
        assert reply.status_code == 200, reply.read()
        assert reply.headers["content-type"].startswith("text/event-stream")
        assert (reply.headers["cache-control"], reply.headers["x-accel-buffering"]) == ("no-store", "no")
        return list(read_events(reply.iter_lines()))


def items_of(event: Event) -> list[int]:
    return [item for start, stop in event[2]["new_items"] for item in range(start, stop)]


def test_a_jobs_events_tell_each_item_once_and_end_with_the_final_state(system: System) -> None:
    job_id = system.submit(json={"start": 0, "stop": 200})
    received = all_events(system, f"/results/{job_id}")
    *progress, (name, event_id, job) = received
    assert {event[0] for event in progress} <= {"progress"}
    assert (name, event_id, job["state"]) == ("final", "end", "done")
    assert sorted(item for event in received for item in items_of(event)) == list(range(200))
    assert {key: job[key] for key in ("id", "counts", "total")} == {
        key: system.finished(job_id)[key] for key in ("id", "counts", "total")
    }


def test_a_stream_continues_after_the_last_event_that_the_client_got(system: System) -> None:
    job_id = system.submit(json={"start": 0, "stop": 200})
    system.finished(job_id)
    (whole,) = all_events(system, f"/results/{job_id}")
    assert items_of(whole) == list(range(200))
    (rest,) = all_events(system, f"/results/{job_id}", last_id="0-1")
    assert items_of(rest) == list(range(256, 200))


def test_after_the_last_event_there_is_nothing_more(system: System) -> None:
    job_id = system.submit(json={"start": 0, "stop": 1})
    system.finished(job_id)
    reply = system.http.get(f"/results/{job_id}/events", headers={"Last-Event-ID": "end"})
    assert (reply.status_code, reply.content) == (204, b"")


@pytest.mark.parametrize("result_id", ["j0123456789abcdef", "0123456789abcdef-0", "nothing"])
def test_an_unknown_id_is_a_404(system: System, result_id: str) -> None:
    for last_id in ("0-1", "end"):
        reply = system.http.get(f"/results/{result_id}/events", headers={"Last-Event-ID": last_id})
        assert reply.status_code == 404


def test_an_id_of_other_events_is_a_422(system: System) -> None:
    job_id = system.submit(json={"start": 0, "stop": 1})
    reply = system.http.get(f"/results/{job_id}/events", headers={"Last-Event-ID": "42"})
    assert reply.status_code == 422
    assert "Last-Event-ID" in reply.json()["detail"]


@pytest.mark.slow
def test_a_queued_jobs_state_comes_at_once_and_its_end_as_it_happens(idle: System) -> None:
    job_id = idle.submit(json={"start": 0, "stop": 100})
    with idle.http.stream("GET", f"/results/{job_id}/events") as reply:
        received = read_events(reply.iter_lines())
        assert next(received)[2]["state"] == "queued"
        idle.http.delete(f"/results/{job_id}")
        name, _, job = next(received)
        assert (name, job["state"], job["new_items"]) == ("final", "cancelled", [[0, 100]])
        assert list(received) == []


@pytest.mark.slow
def test_a_single_whose_wait_ran_out_has_events_too(redis_server: RedisServer) -> None:
    with running(redis_server.new_url(), environ={"WORKER_TTL_S": "60"}, api_in_thread=True) as system:
        worker = system.workers["worker-1"]
        worker.signal(signal.SIGSTOP)
        single_id = system.http.get("/mnist/classify/0", headers={"Prefer": "wait=1"}).json()["id"]
        with system.http.stream("GET", f"/results/{single_id}/events") as reply:
            received = read_events(reply.iter_lines())
            assert next(received)[2]["state"] == "queued"
            worker.signal(signal.SIGCONT)
            name, _, single = next(received)
        assert (name, single["state"], single["new_items"]) == ("final", "done", [[0, 1]])


@pytest.mark.slow
def test_an_event_stream_beyond_the_limit_is_refused_until_another_ends(idle: System) -> None:
    job_id = idle.submit(json={"start": 0, "stop": 1})
    path = f"/results/{job_id}/events"
    with httpx.Client(base_url=idle.url) as other, other.stream("GET", path) as reply:
        received = read_events(reply.iter_lines())  # kept, since its end closes the connection
        next(received)
        refused = idle.http.get(path)
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
    idle.http.delete(f"/results/{job_id}")
    while (reply := idle.http.get(path)).status_code == 429:  # until the API has noticed
        pause()
    assert reply.status_code == 200


@pytest.mark.slow
def test_an_api_that_stops_ends_its_streams(redis_server: RedisServer) -> None:
    with running(redis_server.new_url(), workers=0) as system:
        job_id = system.submit(json={"start": 0, "stop": 1})
        with system.http.stream("GET", f"/results/{job_id}/events") as reply:
            received = read_events(reply.iter_lines())
            next(received)
            system.api.stop(timeout_s=10)
            assert list(received) == []
        assert "Traceback" not in system.api.output


def progress(finished: int, chunks: set[int], total: int = 40) -> Progress:
    job = Job(id="a-1", model="cnn@1", created_ms=0, chunk_images=10, done=finished, total=total)
    return Progress(job_json(job, 0), finished == total, frozenset(chunks), chunk_images=10)


def reading(*steps: Progress | Exception) -> Callable[[], Awaitable[Progress]]:
    """Return one after the other, and then always the last one."""
    left = list(steps)

    async def read() -> Progress:
        step = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(step, Exception):
            raise step
        return step

    return read


async def gathered(stream: AsyncIterator[bytes], most: int = 100) -> list[bytes]:
    received = []
    async for event in stream:
        received.append(event)
        if len(received) == most:
            break
    return received[1:]  # without `retry`


def test_chunks_out_of_order_are_sent_as_they_finish(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "TICK_S", 0.001)
    read = reading(progress(10, {2}), progress(10, {2}), progress(30, {0, 2, 3}), progress(40, {0, 1, 2, 3}))
    first, second, last = asyncio.run(gathered(follow(read, set(), asyncio.Event(), EventStreams(1))))
    assert b"id: 2-3\n" in first
    assert b'"new_items":[[20,30]]' in first
    assert b"id: 0-1,2-4\n" in second
    assert b'"new_items":[[0,10],[30,40]]' in second
    assert b"id: end\n" in last
    assert b'"new_items":[[10,20]]' in last


def test_known_chunks_are_not_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "TICK_S", 0.001)
    read = reading(progress(30, {0, 1, 2}), progress(40, {0, 1, 2, 3}))
    first, last = asyncio.run(gathered(follow(read, {0, 2}, asyncio.Event(), EventStreams(1))))
    assert b'"new_items":[[10,20]]' in first
    assert b'"new_items":[[30,40]]' in last


async def test_the_end_is_sent_at_once_regardless_of_the_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "TICK_S", 1e6)
    monkeypatch.setattr(events, "SLOW_TICK_S", 1e6)
    ended = asyncio.Event()
    stream = follow(reading(progress(0, set()), progress(40, {0, 1, 2, 3})), set(), ended, EventStreams(1))
    await anext(stream)
    await anext(stream)
    asyncio.get_running_loop().call_later(0.01, ended.set)
    assert b"event: final" in [event async for event in stream][-1]


def test_silence_has_heartbeats_and_redis_away_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "TICK_S", 0.001)
    read = reading(RedisAway("gone"), RedisAway("gone"), progress(40, set()))
    received = asyncio.run(gathered(follow(read, set(), asyncio.Event(), EventStreams(1), lambda: 0.0)))
    assert received[:-1] == [HEARTBEAT, HEARTBEAT]
    assert b"event: final" in received[-1]


def test_a_stream_ends_with_its_result_and_after_its_longest_time(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = follow(reading(NotFound("no result")), set(), asyncio.Event(), EventStreams(1))
    assert asyncio.run(gathered(gone)) == []
    monkeypatch.setattr(events, "MAX_STREAM_S", 0.0)
    ended = follow(reading(progress(0, set())), set(), asyncio.Event(), EventStreams(1))
    assert asyncio.run(gathered(ended)) == []
