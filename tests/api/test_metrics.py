"""The metrics of an API process, and the limited number of their series."""

import numpy as np
import pytest
from prometheus_client.metrics_core import Metric

from api.metrics import BUFFER_RESULTS, METHODS, Metrics
from shared.errors import BadRequest, Unavailable


def family(metrics: Metrics, name: str) -> Metric:
    (found,) = (one for one in metrics.families() if one.name == name)
    return found


def value(metrics: Metrics, sample: str, **labels: str) -> float:
    (found,) = (
        one.value
        for each in metrics.families()
        for one in each.samples
        if one.name == sample and labels.items() <= one.labels.items()
    )
    return float(found)


def test_requests_are_counted_by_method_route_and_status() -> None:
    metrics = Metrics()
    for status in (200, 200, 404):
        metrics.count_request("GET", "/results/{id}", status)
    assert value(metrics, "mnistified_requests_total", status="200", route="/results/{id}") == 2
    assert value(metrics, "mnistified_requests_total", status="404", method="GET") == 1


def test_methods_that_nobody_serves_share_a_series() -> None:
    metrics = Metrics()
    for number in range(100):
        metrics.count_request(f"BREW{number}", "none", 405)
    assert len(family(metrics, "mnistified_requests").samples) == 1
    assert "BREW1" not in METHODS


def test_what_was_refused_before_it_was_a_request_is_counted() -> None:
    metrics = Metrics()
    metrics.count_unparsed(BadRequest("no HTTP"))
    metrics.count_unparsed(Unavailable("all connections are in use", "connections"))
    assert value(metrics, "mnistified_requests_total", status="400") == 1
    assert value(metrics, "mnistified_refusals_total", reason="connections") == 1


def test_every_reason_is_there_before_its_first_refusal() -> None:
    """If a series began with its first event, an alert would not see an increase."""
    assert value(Metrics(), "mnistified_refusals_total", reason="lane_images") == 0


@pytest.mark.parametrize("count", [0, 1, BUFFER_RESULTS - 1, BUFFER_RESULTS, 2 * BUFFER_RESULTS + 3])
def test_no_answer_is_lost_on_its_way_into_the_histograms(count: int) -> None:
    metrics = Metrics()
    for _ in range(count):
        metrics.answered([0.004], 1.0, 2.0)
        metrics.decoded(0.00002)
    assert value(metrics, "mnistified_answer_seconds_count") == count
    for part, seconds in {"decode": 0.00002, "queue": 0.001, "model": 0.002, "reply": 0.001}.items():
        assert value(metrics, "mnistified_answer_part_seconds_count", part=part) == count
        assert value(metrics, "mnistified_answer_part_seconds_sum", part=part) == pytest.approx(count * seconds)


def test_a_clock_that_differs_makes_no_negative_time() -> None:
    metrics = Metrics()
    metrics.answered([0.001], 5.0, 2.0)
    assert value(metrics, "mnistified_answer_part_seconds_sum", part="reply") == 0


def test_the_images_of_a_batch_share_its_times_and_each_has_its_own_wait() -> None:
    metrics = Metrics()
    metrics.answered([0.010, 0.020], 1.0, 2.0)
    metrics.answered([0.100], 30.0, 40.0)
    sums = {
        part: value(metrics, "mnistified_answer_part_seconds_sum", part=part) for part in ("queue", "model", "reply")
    }
    assert sums == pytest.approx({"queue": 0.032, "model": 0.044, "reply": 0.007 + 0.017 + 0.030})


def test_buckets_are_cumulated() -> None:
    metrics = Metrics()
    for seconds in np.linspace(0.0004, 0.9, 100):
        metrics.answered([float(seconds)], 0.0, 0.0)
    counts = [one.value for one in family(metrics, "mnistified_answer_seconds").samples if one.name.endswith("_bucket")]
    assert counts == sorted(counts)
    assert counts[-1] == 100


def test_what_waits_to_be_folded_is_bounded() -> None:
    """The route is also known for requests without a response."""
    metrics = Metrics()
    for _ in range(10 * BUFFER_RESULTS):
        metrics.decoded(0.00002)
    assert len(metrics._decoded_s) < BUFFER_RESULTS
