"""Figures and tables as text."""

from collections.abc import Sequence
from statistics import median

Row = Sequence[str]


def summary(values: Sequence[float]) -> str:
    """Return "median (min–max)"."""
    middle = number(median(values))
    return middle if len(values) == 1 else f"{middle} ({number(min(values))}–{number(max(values))})"


def number(value: float) -> str:
    """Return three significant digits, or all digits of a large number."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def table(head: Row, rows: Sequence[Row]) -> str:
    """Return a Markdown table, or nothing if there are no rows."""
    if not rows:
        return ""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
