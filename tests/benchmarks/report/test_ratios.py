"""The ratios and goals, computed round by round."""

import pytest

from benchmarks.report.ratios import Goal, Ratio, all_ratios, best_peer
from benchmarks.report.results import Round
from tests.benchmarks.report.runs import one_round, run_of


def ratio(label: str, *rounds: Round) -> Ratio:
    return next(one for one in all_ratios(run_of(*rounds)) if one.label.startswith(label))


@pytest.mark.parametrize(
    ("label", "value", "met"),
    [
        ("bulk 10k, images/s over the ceiling", 0.95, True),
        ("bulk, cost per image, 100k over 1k", 0.8, True),
        ("bulk, peak memory, 100k less 1k: API", 20, True),
        ("bulk, peak memory, 100k less 1k: worker", 40, True),
        ("single, 1 connection: p50 over the best peer's (slow)", 0.5, False),
        ("single, 16 connections: requests/s over the best peer's (fast)", 3.0, True),
        ("mixed: singles' p99", 4.0, True),
        ("mixed: a job's images/s", 0.8, True),
        ("mixed: a job of 10 images behind that job", 0.4, True),
        ("bulk 10k, two workers over one", 1.8, True),
        ("largest difference to the engine's own probabilities, idx", 2e-8, True),
        ("largest difference to the engine's own probabilities, fast", 1e-6, True),
    ],
)
def test_a_ratio_and_whether_it_meets_its_goal(label: str, value: float, met: bool) -> None:
    found = ratio(label, one_round())
    assert found.values == [pytest.approx(value)]
    assert found.goal is not None
    assert found.goal.met_by(found.values[0]) == met


def test_a_ratio_compares_within_each_round() -> None:
    found = ratio("single, 16 connections", one_round(ours_per_s=3000), one_round(ours_per_s=2000))
    assert found.values == [3.0, 2.0]


def test_the_best_peer_is_best_by_its_median() -> None:
    assert best_peer([one_round()], 16, lambda load: load.requests_per_s) == "fast"
    assert best_peer([one_round()], 1, lambda load: load.p50_ms, -1) == "slow"
    assert best_peer([one_round()], 1, lambda load: load.p50_ms, -1, batching_only=False) == "direct"
    assert best_peer([one_round()], 64, lambda load: load.requests_per_s) == ""


def test_a_faster_peer_that_does_not_batch_is_listed_without_a_goal() -> None:
    found = ratio("single, 1 connection: p50 over the best peer's (direct)", one_round())
    assert found.values == [pytest.approx(1.25)]
    assert found.goal is None
    assert sum(one.label.startswith("single, 16") for one in all_ratios(run_of(one_round()))) == 1


def test_what_was_not_measured_has_no_ratio() -> None:
    assert [one.label for one in all_ratios(run_of(Round(foreign_cores=0.0)))] == [
        "largest difference to the engine's own probabilities, idx"
    ]


def test_a_goal_is_a_bound_and_the_bound_itself_meets_it() -> None:
    assert str(Goal(at_least=0.9)) == "≥ 0.9"
    assert str(Goal(at_most=5)) == "≤ 5"
    assert Goal(at_least=0.9).met_by(0.9)
    assert not Goal(at_most=5).met_by(5.1)
