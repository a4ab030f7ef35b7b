"""The conditions of a stalled queue."""

import pytest

from api.monitoring.queue_depths import LaneDepth, is_stalled
from api.queue.workers import drain_rate
from shared.contract.heartbeat import LastBatch, LiveWorker
from shared.contract.lane import Lane
from tests.support.heartbeats import live_worker


def depths(oldest_s: float) -> dict[str, dict[Lane, LaneDepth]]:
    idle = LaneDepth(0, 0, 0.0)
    return {"cnn": {"interactive": idle, "bulk": LaneDepth(5, 5000, oldest_s)}, "other": {"interactive": idle}}


def worker(finished_s: float | None) -> LiveWorker:
    if finished_s is None:
        return live_worker()
    return live_worker(last_batch=LastBatch(model="cnn@1", images=1, finished_s=finished_s, took_ms=1.0))


@pytest.mark.parametrize(
    ("oldest_s", "ends_s", "stalled"),
    [
        (0.0, [], False),
        (0.0, [None], False),
        (29.0, [None], False),
        (31.0, [], True),
        (31.0, [None], True),
        (31.0, [960.0], True),
        (31.0, [980.0], False),
        (31.0, [960.0, 999.0], False),
        (3600.0, [999.0], False),
    ],
)
def test_a_queue_is_stalled_when_it_is_old_and_nobody_finishes_anything(
    oldest_s: float, ends_s: list[float | None], stalled: bool
) -> None:
    assert is_stalled(depths(oldest_s), [worker(end_s) for end_s in ends_s], stall_s=30, now_s=1000.0) is stalled


@pytest.mark.parametrize(
    ("able", "lately", "rate"),
    [([], [], 0.0), ([1000], [0.0], 1000.0), ([1000], [400.0], 400.0), ([1000, 1000], [90.0, 90.0], 2000.0)],
)
def test_busy_workers_are_as_fast_as_they_were_lately_and_idle_ones_as_they_can_be(
    able: list[int], lately: list[float], rate: float
) -> None:
    workers = [
        live_worker("w1", "cnn@1", images_per_s=most, recent_images_per_s=recent)
        for most, recent in zip(able, lately, strict=True)
    ]
    assert drain_rate(workers) == rate
