"""docs/metrics.md and the code agree on every metric with its labels and on every reason for a refusal."""

import re
from collections.abc import Iterable
from typing import get_args

import pytest
from prometheus_client.metrics_core import Metric

from api.metrics import Metrics as ApiMetrics
from api.monitoring.fleet import Fleet, fleet_families
from api.queue.enqueue import lane_limits
from api.routes.metrics import present_families
from shared.config.settings import Settings
from shared.errors import Reason
from tests.support.heartbeats import NOTHING_LOADED
from tests.support.processes import ROOT
from worker.reporting.metrics import Metrics as WorkerMetrics

NO_FLEET = Fleet(
    workers=[],
    queues={},
    stalled=False,
    lost_workers=0,
    dead_letters=0,
    deferred={},
    drift={},
    shadows=[],
    memory={},
    redis_fault="",
)
FAMILIES: list[Metric] = [
    *present_families(True, 0, Settings()),
    *ApiMetrics().families(),
    *WorkerMetrics().families(0, NOTHING_LOADED),
    *fleet_families(NO_FLEET, lane_limits(Settings())),
]
DOCUMENT = (ROOT / "docs" / "metrics.md").read_text()


def row(family: Metric) -> str:
    """Return the line about a metric in docs/metrics.md."""
    name = f"{family.name}_total" if family.type == "counter" else family.name
    labels = ", ".join(f"`{label}`" for label in getattr(family, "_labelnames", ()))
    return f"| `{name}` | {family.type} | {labels} | {family.documentation} |"


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_metric_is_documented_with_its_own_description(family: Metric) -> None:
    assert row(family) in DOCUMENT


def test_every_documented_metric_exists() -> None:
    documented = re.findall(r"^\| `(mnistified_\w+)` \|", DOCUMENT, re.MULTILINE)
    assert sorted(documented) == sorted(row(family).split("`")[1] for family in FAMILIES)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_metric_names_its_question_and_its_unit(family: Metric) -> None:
    assert "?" in family.documentation
    assert family.name.startswith("mnistified_")
    if family.type == "histogram":
        assert family.name.endswith(("_seconds", "_images"))


def test_every_reason_for_a_refusal_is_documented() -> None:
    documented = re.findall(r"^\| `([a-z_]+)` \| (?:429|503)", DOCUMENT, re.MULTILINE)
    assert sorted(documented) == sorted(get_args(Reason))


def names(families: Iterable[Metric]) -> set[str]:
    return {family.name for family in families}


def test_only_metrics_that_are_equal_in_every_process_are_called_fleet() -> None:
    fleet = names(fleet_families(NO_FLEET, lane_limits(Settings())))
    assert all(name.startswith("mnistified_fleet_") for name in fleet)
    assert not any(name.startswith("mnistified_fleet_") for name in names(FAMILIES) - fleet)
