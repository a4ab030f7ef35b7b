"""The alerts and the dashboard as data: their queries, and a copy of the alerts with shorter waits."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.support.processes import ROOT

PROMETHEUS = ROOT / "deploy" / "prometheus"
ALERTS_FILE = PROMETHEUS / "alerts.yml"
LOCAL_FILE = PROMETHEUS / "local.yml"
DASHBOARD_FILE = ROOT / "deploy" / "grafana" / "dashboards" / "mnistified.json"
RATE_INTERVAL = "$__rate_interval"  # Grafana's own: four scrapes or more
SELECTOR = re.compile(r"\b(?:mnistified_\w+|process_\w+|up\b)(?:\{[^}]*\})?")
_UNITS_S = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True, slots=True)
class Query:
    """A query of a panel. `legend` is Grafana's template for the name of a series, `unit` its word for the unit."""

    panel: str
    expr: str
    legend: str = ""
    unit: str = ""


def read_alerts(file: Path = ALERTS_FILE) -> list[dict[str, Any]]:
    groups = yaml.safe_load(file.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def seconds(duration: str) -> float:
    """Parse a duration of Prometheus, for example 15s or 10m."""
    number, unit = re.fullmatch(r"(\d+)(\w+)", duration).groups()  # type: ignore[union-attr]
    return int(number) * _UNITS_S[unit]


def shortened(text: str, max_s: int) -> str:
    """Return the rules with alerts that are pending for `max_s` at most."""
    content = yaml.safe_load(text)
    for group in content["groups"]:
        for rule in group["rules"]:
            if seconds(rule["for"]) > max_s:
                rule["for"] = f"{max_s}s"
    return yaml.safe_dump(content, sort_keys=False)


def local_config(text: str, apis: Sequence[str], rules_file: Path, interval: str) -> str:
    """Return deploy/prometheus/local.yml for other APIs (`host:port`) and another rules file."""
    content = yaml.safe_load(text)
    content["global"] = {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval}
    content["rule_files"] = [str(rules_file)]
    for job in content["scrape_configs"]:
        for static in job.get("static_configs", ()):
            static["targets"] = list(apis)
        for discovery in job.get("http_sd_configs", ()):
            discovery |= {"url": discovery["url"].replace("127.0.0.1:5000", apis[0]), "refresh_interval": interval}
    return yaml.safe_dump(content, sort_keys=False)


def selectors(expr: str) -> list[str]:
    """Return the selectors of an expression, without duplicates."""
    return list(dict.fromkeys(SELECTOR.findall(expr)))


def metric_of(selector: str) -> str:
    return selector.partition("{")[0]


def read_queries(rate_interval: str, file: Path = DASHBOARD_FILE) -> list[Query]:
    """Return the queries of the dashboard, panel by panel."""
    dashboard = json.loads(file.read_text())
    return [
        Query(
            panel=panel["title"],
            expr=target["expr"].replace(RATE_INTERVAL, rate_interval),
            legend=target["legendFormat"],
            unit=panel["fieldConfig"]["defaults"]["unit"],
        )
        for panel in dashboard["panels"]
        for target in panel.get("targets", ())
    ]


def legend(template: str, labels: Mapping[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda match: labels.get(match[1], ""), template)
