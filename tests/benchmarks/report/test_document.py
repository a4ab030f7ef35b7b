"""The report: ratios first, without the sections that were not measured."""

import orjson
import pytest

from benchmarks.report.document import report
from benchmarks.report.markdown import number, summary
from benchmarks.report.results import Round
from tests.benchmarks.report.runs import one_round, run_of


def test_the_machine_comes_first_then_the_ratios() -> None:
    text = report(run_of(one_round()))
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert text.startswith("A CPU, 2 cores")
    assert headings[0] == "## Ratios"
    assert len(headings) == 10


def test_a_goal_is_met_or_missed_and_has_the_spread() -> None:
    text = report(run_of(one_round(bulk_per_s=9_500), one_round(bulk_per_s=8_000), one_round(bulk_per_s=8_500)))
    assert "| bulk 10k, images/s over the ceiling | 0.85 (0.8–0.95) | ≥ 0.9 | **missed** |" in text
    assert "| mixed: singles' p99 during a job over singles' p99 alone | 4 (4–4) | ≤ 5 | met |" in text


def test_every_system_has_a_row_for_each_number_of_connections() -> None:
    text = report(run_of(one_round()))
    for name in ("MNISTified", "slow", "fast"):
        assert f"| 16 | {name} |" in text
    assert "broken:\n```\nwas never ready\n```" in text


def test_an_overload_lists_refusals_and_failures() -> None:
    text = report(run_of(one_round(), one_round()))
    row = next(line for line in text.splitlines() if line.startswith("| tenfold, without patience | 2560 |"))
    assert "| 2,000 (2,000–2,000) |" in row
    assert "| 3 (3–3) | 429: 3,000 |" in row
    assert "| closed: 4 |" in row
    assert "| api 70 / 100 / 90 |" in row
    assert "| overload: neither answered nor refused | 2 (2–2) | ≤ 0 | **missed** |" in text
    assert "| overload: p99 of what is accepted over full load's | 3 (3–3) |" in text


def test_versions_are_listed_by_engine_and_the_newest_in_litert_has_the_goal() -> None:
    text = report(run_of(one_round(), one_round()))
    assert "| cnn@10 | tensorflow | 5,600,000 | 9,990 | 10,000 | 99.90% | 15,000 (15,000–15,000) |" in text
    assert "| accuracy of the newest cnn | 0.997 (0.997–0.997) | ≥ 0.9975 | **missed** |" in text


def test_a_switch_lists_its_cost_and_the_canarys_distance_from_its_share() -> None:
    text = report(run_of(one_round()))
    assert "| 4 | 20,000 | 0 | 1 | 2 / 2.5 | 5 / 7.5 | 11 | 399 of 7,600: 5.25% for 5 % |" in text
    assert "| promotion under load: p99 during over before | 1.5 | ≤ 2 | met |" in text
    assert "| promotion under load: answers of another version | 1 | ≤ 0 | **missed** |" in text
    assert "| canary: off its share, in standard deviations | 1 | ≤ 3 | met |" in text


def test_sections_that_did_not_run_have_no_table() -> None:
    text = report(run_of(Round(foreign_cores=0.0)))
    assert [line for line in text.splitlines() if line.startswith("## ")] == ["## Ratios"]


def test_all_tables_are_tables() -> None:
    lines = report(run_of(one_round(), one_round())).splitlines()
    tables = [line.count("|") for line in lines if line.startswith("|")]
    heads = [index for index, line in enumerate(lines) if line.startswith("| ---")]
    assert len(heads) == 9
    for index in heads:
        rows = [line for line in lines[index - 1 :] if line]
        assert rows[0].count("|") == rows[1].count("|") == rows[2].count("|")
    assert all(count > 4 for count in tables)


@pytest.mark.parametrize(
    ("value", "text"), [(12345.6, "12,346"), (99.96, "100"), (0.1234, "0.123"), (5, "5"), (2.98e-8, "2.98e-08")]
)
def test_numbers_have_their_significant_digits(value: float, text: str) -> None:
    assert number(value) == text


def test_one_value_has_no_spread() -> None:
    assert summary([5.0]) == "5"
    assert summary([5.0, 7.0, 6.0]) == "6 (5–7)"


def test_the_json_has_every_round() -> None:
    content = orjson.loads(orjson.dumps(run_of(one_round(), one_round())))
    assert [one["ceiling"]["batch_images"] for one in content["rounds"]] == [64, 64]
    assert content["rounds"][0]["peers"][1]["singles"][0]["load"]["p50_ms"] == 2.0
