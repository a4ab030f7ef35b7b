"""The metrics of the whole service, computed from a given state."""

from typing import Any

import pytest

from api.monitoring.fleet import Fleet, fleet_families
from api.monitoring.queue_depths import LaneDepth
from api.queue.enqueue import lane_limits
from api.queue.workers import lost_workers
from api.routes.metrics import targets
from shared.config.settings import Settings
from shared.contract.heartbeat import LiveWorker
from shared.telemetry.prometheus import Families
from tests.support.heartbeats import live_worker

SETTINGS = Settings(max_queued_bulk_images=1000, max_queued_bulk_bytes=10_000)


def fleet(**changed: Any) -> Fleet:
    nothing: dict[str, Any] = {
        "workers": [],
        "queues": {},
        "stalled": False,
        "lost_workers": 0,
        "dead_letters": 0,
        "deferred": {},
        "drift": {},
        "shadows": [],
        "memory": {},
        "redis_fault": "",
    }
    return Fleet(**nothing | changed)


def values(exported: Fleet, name: str) -> dict[tuple[str, ...], float]:
    """Return the values by their label values, in the order of the label names."""
    return {
        tuple(value for _, value in sorted(sample.labels.items())): sample.value
        for family in Families(fleet_families(exported, lane_limits(SETTINGS))).collect()
        for sample in family.samples
        if sample.name == name
    }


@pytest.mark.parametrize(("depth", "share"), [((500, 100), 0.5), ((10, 9000), 0.9), ((0, 0), 0.0)])
def test_a_lane_is_as_full_as_the_nearer_of_its_limits(depth: tuple[int, int], share: float) -> None:
    exported = fleet(queues={"cnn": {"bulk": LaneDepth(*depth, 1.5)}})
    assert values(exported, "mnistified_fleet_queue_fullness") == {("bulk", "cnn"): share}
    assert values(exported, "mnistified_fleet_oldest_seconds") == {("bulk", "cnn"): 1.5}


def test_a_redis_that_refuses_writes_is_a_one_to_alarm_on() -> None:
    assert values(fleet(), "mnistified_fleet_redis_unsafe") == {(): 0}
    assert values(fleet(redis_fault="its disk is full"), "mnistified_fleet_redis_unsafe") == {(): 1}


def test_deferred_entries_are_counted_by_format() -> None:
    exported = fleet(deferred={7: 3, 8: 1})
    assert values(exported, "mnistified_fleet_deferred_entries") == {("7",): 3, ("8",): 1}


def test_late_workers_are_counted_separately() -> None:
    exported = fleet(workers=[live_worker(late=late) for late in (False, True, False)])
    assert values(exported, "mnistified_fleet_workers") == {("beating",): 2, ("late",): 1}


def test_without_workers_there_is_a_zero_to_alarm_on() -> None:
    assert values(fleet(), "mnistified_fleet_workers") == {("beating",): 0, ("late",): 0}


def test_drift_has_a_distance_only_if_there_is_something_to_compare_with() -> None:
    drift = {
        "cnn@1": {
            "images": 9,
            "ink": {"distance": 0.3, "chance": 0.2, "shares": []},
            "offset": {"distance": None, "chance": None, "shares": []},
        }
    }
    assert values(fleet(drift=drift), "mnistified_fleet_drift_distance") == {("ink", "cnn@1"): 0.3}
    assert values(fleet(drift=drift), "mnistified_fleet_drift_images") == {("cnn@1",): 9}


def test_the_images_of_a_shadow_are_counted_by_outcome() -> None:
    pair = {"version": "cnn@1", "shadow": "cnn@2", "images": 10, "agree": 8, "failed": 1, "skipped": 3}
    assert values(fleet(shadows=[pair]), "mnistified_fleet_shadow_images") == {
        ("agree", "cnn@2", "cnn@1"): 8,
        ("differ", "cnn@2", "cnn@1"): 2,
        ("failed", "cnn@2", "cnn@1"): 1,
        ("skipped", "cnn@2", "cnn@1"): 3,
    }


def seen(name: str, silent_s: float = 0.5, started_s: float = 100.0) -> LiveWorker:
    return live_worker(name, silent_s=silent_s, started_s=started_s)


@pytest.mark.parametrize(
    ("before", "now", "lost"),
    [
        ([seen("a")], [seen("a")], 0),
        ([], [seen("a")], 0),
        ([seen("a", silent_s=1.0)], [], 0),  # it said goodbye
        ([seen("a", silent_s=9.5)], [], 1),  # its time to live ran out
        ([seen("a"), seen("b", silent_s=9.5)], [seen("a")], 1),
        ([seen("a")], [seen("a", started_s=200.0)], 1),  # started again before its silence was noticed
    ],
)
def test_a_worker_is_lost_when_it_ends_without_a_word(
    before: list[LiveWorker], now: list[LiveWorker], lost: int
) -> None:
    assert lost_workers(before, now, since_s=1.0, ttl_s=10) == lost


def test_nobody_is_lost_while_it_was_us_who_did_not_listen() -> None:
    assert lost_workers([seen("a")], [], since_s=6.0, ttl_s=10) == 0


def test_workers_are_found_where_they_serve_metrics() -> None:
    workers = [live_worker("a@x", metrics="127.0.0.1:5002"), live_worker("b@x", metrics="")]
    assert targets(workers) == [{"targets": ["127.0.0.1:5002"], "labels": {"worker": "a@x"}}]
