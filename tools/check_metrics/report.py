"""The tables of a check, as Markdown. Pure."""

from collections.abc import Sequence

from tools.check_metrics.drills import Drill, Seen
from tools.check_metrics.rules import Query

MAX_S = 5.0  # limit for a harm to show


def queries_table(found: Sequence[tuple[Query, int]]) -> str:
    lines = ["| panel | query | series |", "|---|---|--:|"]
    lines += [f"| {query.panel} | `{query.expr.replace('|', chr(92) + '|')}` | {series} |" for query, series in found]
    return "\n".join(lines)


def drills_table(drills: Sequence[Drill], seen: Sequence[Seen]) -> str:
    lines = [
        "| fault | counted from | seen in `/status` after, s | in `/metrics` after, s | alerts that fire, after, s |",
        "|---|---|--:|--:|---|",
    ]
    for drill, one in zip(drills, seen, strict=True):
        alerts = ", ".join(
            f"`{alert}` {_shown(one.firing_s.get(alert))}"
            for alert in sorted(drill.alerts, key=lambda alert: one.firing_s.get(alert, 1e9))
        )
        status = _shown(one.in_status_s) if drill.in_status else "–"
        metrics = _shown(one.in_metrics_s) if drill.in_metrics else "–"
        lines.append(f"| {drill.name} | {drill.counted_from} | {status} | {metrics} | {alerts} |")
    return "\n".join(lines)


def complaints(drills: Sequence[Drill], seen: Sequence[Seen]) -> list[str]:
    """List the harms that did not show, or too late."""
    found = []
    for drill, one in zip(drills, seen, strict=True):
        places = (("/status", drill.in_status, one.in_status_s), ("/metrics", drill.in_metrics, one.in_metrics_s))
        for where, looked_for, after_s in places:
            if looked_for and (after_s is None or after_s > MAX_S):
                found.append(f"{drill.name}: seen in {where} after {_shown(after_s)} s")
        found += [f"{drill.name}: {alert} does not fire" for alert in drill.alerts if alert not in one.firing_s]
    return found


def _shown(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.1f}"
