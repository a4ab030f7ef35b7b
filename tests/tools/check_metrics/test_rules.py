"""Alerts and dashboard ask for what is there, read it rightly, say what to do; promtool agrees, where it is there."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import ROOT
from tools.check_metrics.prometheus import is_installed, promtool
from tools.check_metrics.rules import (
    ALERTS_FILE,
    DASHBOARD_FILE,
    LOCAL_FILE,
    PROMETHEUS,
    legend,
    local_config,
    metric_of,
    read_alerts,
    read_queries,
    seconds,
    selectors,
    shortened,
)

ALERTS = read_alerts()
EXPRESSIONS = [rule["expr"] for rule in ALERTS] + [query.expr for query in read_queries("1m")]
METRICS_DOCUMENT = (ROOT / "docs" / "metrics.md").read_text()
OPERATING_DOCUMENT = (ROOT / "docs" / "operating.md").read_text()
FLEET = re.compile(r"mnistified_fleet_\w+")
FLEET_READ_RIGHTLY = re.compile(r"max(?: by \([^)]*\) )?\((?:increase\()?mnistified_fleet_\w+")

needs_promtool = pytest.mark.skipif(not is_installed(), reason="Debian's package prometheus is not installed")


@pytest.mark.parametrize("expr", EXPRESSIONS)
def test_what_is_asked_for_is_documented_and_so_is_there(expr: str) -> None:
    """tests/service/test_metrics.py holds that document and code agree."""
    found = selectors(expr)
    assert found
    for metric in map(metric_of, found):
        assert metric == "up" or f"`{re.sub('_(bucket|sum|count)$', '', metric)}`" in METRICS_DOCUMENT


@pytest.mark.parametrize("expr", [expr for expr in EXPRESSIONS if "mnistified_fleet_" in expr])
def test_figures_that_every_process_reports_alike_are_never_added_up(expr: str) -> None:
    assert len(FLEET.findall(expr)) == len(FLEET_READ_RIGHTLY.findall(expr))


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_every_alert_says_how_bad_it_is_what_it_is_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("page", "warn")
    assert seconds(rule["for"]) >= 15, "three scrapes: one that failed wakes nobody"
    assert rule["annotations"].keys() == {"summary", "do"}
    assert f"`{rule['alert']}`" in OPERATING_DOCUMENT


def test_no_alert_is_documented_that_is_not_there() -> None:
    table = OPERATING_DOCUMENT.partition("## What to watch")[2].partition("\n\n## ")[0]
    documented = re.findall(r"^\| \**`(\w+)`\** \|", table, re.MULTILINE)
    assert sorted(documented) == sorted(rule["alert"] for rule in ALERTS)


def panels() -> list[dict[str, Any]]:
    return [panel for panel in json.loads(DASHBOARD_FILE.read_text())["panels"] if panel["type"] != "row"]


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel["title"])
def test_every_panel_is_a_question_and_explains_itself(panel: dict[str, Any]) -> None:
    assert panel["title"].endswith("?")
    assert panel["description"]
    assert panel["targets"]
    assert panel["fieldConfig"]["defaults"]["unit"]


def test_panels_do_not_overlap_and_have_numbers_of_their_own() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken
        assert at["x"] + at["w"] <= 24
        taken |= cells
    numbers = [panel["id"] for panel in json.loads(DASHBOARD_FILE.read_text())["panels"]]
    assert len(numbers) == len(set(numbers))


def test_selectors_are_found_with_their_labels() -> None:
    expr = 'sum by (le) (rate(mnistified_x_bucket{a="b", c=~"d|e"}[1m])) / up{job="api"} > process_y and mnistified_z'
    assert selectors(expr) == ['mnistified_x_bucket{a="b", c=~"d|e"}', 'up{job="api"}', "process_y", "mnistified_z"]


def test_a_shortened_copy_differs_in_nothing_but_how_long_alerts_are_pending(tmp_path: Path) -> None:
    file = tmp_path / "alerts.yml"
    file.write_text(shortened(ALERTS_FILE.read_text(), 2))
    copies = read_alerts(file)
    assert {rule["for"] for rule in copies} == {"2s"}
    assert [rule | {"for": ""} for rule in copies] == [rule | {"for": ""} for rule in ALERTS]


def test_a_local_configuration_asks_the_apis_that_it_is_given(tmp_path: Path) -> None:
    text = local_config(LOCAL_FILE.read_text(), ["127.0.0.1:1", "127.0.0.1:2"], tmp_path / "alerts.yml", "1s")
    assert "127.0.0.1:5000" not in text
    assert "url: http://127.0.0.1:1/metrics/workers" in text
    assert "- 127.0.0.1:2" in text


def test_a_legend_is_filled_in_as_grafana_does() -> None:
    assert legend("{{lane}} of {{model}}{{none}}", {"lane": "bulk", "model": "cnn"}) == "bulk of cnn"


@needs_promtool
def test_promtool_finds_nothing_wrong_with_rules_and_configurations() -> None:
    promtool("check", "rules", str(ALERTS_FILE))
    for name in ("prometheus.yml", "local.yml"):
        promtool("check", "config", str(PROMETHEUS / name))


@needs_promtool
def test_every_alert_fires_for_what_it_is_about_and_no_other_does() -> None:
    file = ROOT / "tools" / "check_metrics" / "alerts_test.yml"
    promtool("test", "rules", str(file))
    tested = set(re.findall(r'alertname="(\w+)"', file.read_text()))
    assert tested == {rule["alert"] for rule in ALERTS}
