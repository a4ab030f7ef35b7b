"""Figures and tables as text."""

from collections.abc import Sequence

from benchmarks.report.quantiles import spread

Row = Sequence[str]


def told(values: Sequence[float]) -> str:
    """Median (least–most)."""
    of = spread(values)
    if len(values) == 1:
        return number(of.median)
    return f"{number(of.median)} ({number(of.least)}–{number(of.most)})"


def number(value: float) -> str:
    """Three digits that count, or all of a large one's."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def table(head: Row, rows: Sequence[Row]) -> str:
    """Markdown; nothing for no rows."""
    if not rows:
        return ""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
