"""The metrics of a real API and a real worker agree with the requests that were sent."""

import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from shared.contract.lane import LANES
from tests.api.http.test_access import key_of
from tests.support.processes import pause
from tests.support.registries import DEFAULT
from tests.support.system import RedisServer, System, running

pytestmark = pytest.mark.slow

BATCHED = "mnistified_batch_images_sum"
KEY = "the-key-of-prometheus-itself"


@pytest.fixture(scope="module")
def scraped(redis_server: RedisServer) -> Iterator[System]:
    with running(redis_server.new_url(), environ={"WORKER_TTL_S": "4"}) as system:
        yield system


def samples(url: str, **headers: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    reply = httpx.get(url, timeout=10, headers=headers)
    assert reply.status_code == 200
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(reply.text)
        for sample in family.samples
    }


def total(told: dict[tuple[str, frozenset[tuple[str, str]]], float], name: str, **labels: str) -> float:
    """Sum over all labels that are not given."""
    return sum(value for (of, its), value in told.items() if of == name and labels.items() <= dict(its).items())


def worker_url(system: System) -> str:
    ((target,),) = (one["targets"] for one in system.http.get("/metrics/workers").json())
    return f"http://{target}/metrics"


def test_requests_images_and_parts_agree_with_what_was_asked(scraped: System) -> None:
    before, worker_before = samples(f"{scraped.url}/metrics"), samples(worker_url(scraped))
    for index in range(5):
        assert scraped.http.get(f"/mnist/classify/{index}").status_code == 200
    scraped.finished(scraped.submit(json={"start": 0, "stop": 100}))
    scraped.http.get("/mnist/classify/seven")

    def grown(name: str, **labels: str) -> float:
        return total(after, name, **labels) - total(before, name, **labels)

    after = samples(f"{scraped.url}/metrics")
    route = "/mnist/classify/{index}"
    assert grown("mnistified_requests_total", route=route, status="200") == 5
    assert grown("mnistified_requests_total", route=route, status="422") == 1
    assert grown("mnistified_requests_total", route="/mnist/classify/bulk", status="202") == 1
    assert grown("mnistified_answer_seconds_count") == 5
    for part in ("queue", "model", "reply"):
        assert grown("mnistified_answer_part_seconds_count", part=part) == 5
    assert grown("mnistified_accepted_images_total", lane="interactive") == 5
    assert grown("mnistified_accepted_images_total", lane="bulk") == 100

    def counted_by_the_worker() -> dict[str, float]:
        now = samples(worker_url(scraped))
        counted = {"batches": total(now, BATCHED) - total(worker_before, BATCHED)}
        for lane in LANES:
            for name, labels in {"images_total": {"state": "done"}, "queue_seconds_count": {}}.items():
                of_lane = [total(each, f"mnistified_{name}", lane=lane, **labels) for each in (now, worker_before)]
                counted[f"{name} {lane}"] = of_lane[0] - of_lane[1]
        return counted

    while sum((counted := counted_by_the_worker()).values()) < 3 * 105:  # a moment after the answers
        pause()
    assert counted.pop("batches") == 105
    assert counted == {
        f"{name} {lane}": images
        for name in ("images_total", "queue_seconds_count")
        for lane, images in {"interactive": 5, "bulk": 100}.items()
    }


@pytest.mark.usefixtures("mnist")
def test_a_cancelled_job_is_counted_once_when_its_images_leave_the_queue(scraped: System) -> None:
    before = samples(worker_url(scraped))
    job_id = scraped.submit(json={"start": 0, "stop": 10_000})
    counts = scraped.http.delete(f"/results/{job_id}").json()["counts"]
    while True:
        after = samples(worker_url(scraped))
        states = {
            state: total(after, "mnistified_images_total", state=state, lane="bulk")
            - total(before, "mnistified_images_total", state=state, lane="bulk")
            for state in ("done", "unsure", "cancelled", "failed", "expired")
        }
        if sum(states.values()) >= sum(counts.values()):
            break
        pause()
    assert states == counts


def test_clients_cannot_make_series(scraped: System) -> None:
    def asked(path: str) -> None:
        scraped.http.get(path)
        scraped.http.request("BIND", path)

    asked("/results/first")
    before = samples(f"{scraped.url}/metrics").keys()
    for number in range(20):
        asked(f"/results/j{number:016x}")
        asked(f"/nowhere/{number}")
        asked(f"/mnist/classify/0?model=made-up-{number}")
    new = {
        (name, labels)
        for name, labels in samples(f"{scraped.url}/metrics").keys() - before
        if not name.startswith("mnistified_fleet_")  # the workers' own, which come when they come
    }
    assert {dict(labels)["route"] for name, labels in new if name == "mnistified_requests_total"} <= {
        "none",
        "/mnist/classify/{index}",
    }
    assert len(new) <= 4


def test_the_first_worker_of_a_machine_leaves_the_next_port_to_the_second(scraped: System) -> None:
    scraped.start_worker("second")
    try:
        while len(found := scraped.http.get("/metrics/workers").json()) < 2:
            pause()
        addresses = {target for one in found for target in one["targets"]}
        assert len(addresses) == 2
        for address in addresses:
            assert total(samples(f"http://{address}/metrics"), "mnistified_loaded_version", version=DEFAULT.ref) == 1
    finally:
        scraped.workers.pop("second").stop()


def test_a_worker_may_serve_no_metrics_at_all(scraped: System) -> None:
    scraped.start_worker("silent", {"METRICS_PORT": "0"})
    try:
        while len(workers := scraped.http.get("/status").json()["workers"]) < 2:
            pause()
        assert {worker["metrics"] for worker in workers if worker["name"].startswith("silent@")} == {""}
        assert len(scraped.http.get("/metrics/workers").json()) == 1
    finally:
        scraped.workers.pop("silent").stop()


@pytest.mark.timeout(120)
def test_a_worker_that_is_killed_is_lost_and_one_that_is_stopped_is_not(scraped: System) -> None:
    def lost() -> float:
        return total(samples(f"{scraped.url}/metrics"), "mnistified_fleet_lost_workers_total")

    def start(name: str) -> None:
        scraped.start_worker(name)
        wait_for_workers(scraped, 2)

    before = lost()
    start("stopped")
    scraped.workers.pop("stopped").stop()
    wait_for_workers(scraped, 1)
    start("killed")
    threading.Event().wait(1.2)  # the API looks each second, and has seen it
    victim = scraped.workers.pop("killed")
    victim.signal(9)  # type: ignore[arg-type]
    victim.wait()
    wait_for_workers(scraped, 1)
    while lost() == before:
        pause()
    assert lost() - before == 1


def wait_for_workers(system: System, count: int) -> None:
    while len(system.http.get("/status").json()["workers"]) != count:
        pause()


@pytest.fixture(scope="module")
def guarded(redis_server: RedisServer) -> Iterator[System]:
    key = key_of("prometheus", KEY)
    environ = {"API_KEYS": f"prometheus:{key.sha256}"}
    with running(redis_server.new_url(), 0, environ, api_in_thread=True) as system:
        yield system


@pytest.mark.parametrize("path", ["/metrics", "/metrics/workers"])
def test_with_keys_a_scrape_needs_one(guarded: System, path: str) -> None:
    assert guarded.http.get(path).status_code == 401
    assert guarded.http.get(path, headers={"Authorization": f"Bearer {KEY}"}).status_code == 200


def test_refusals_at_the_gate_are_counted_and_tell_no_path(guarded: System) -> None:
    guarded.http.get("/results/secret")
    told = samples(f"{guarded.url}/metrics", Authorization=f"Bearer {KEY}")
    assert total(told, "mnistified_requests_total", status="401", route="none") >= 1
    assert not any("secret" in str(labels) for _, labels in told)


def test_status_has_limits_and_refusals(scraped: System) -> None:
    told: dict[str, Any] = scraped.http.get("/status").json()
    assert told["limits"]["bulk"] == {"images": 500_000, "bytes": 1 << 30}
    assert set(told["refusals"].values()) == {0}
