"""The dashboard's queries as a picture: small charts of lines over time, as SVG. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from shared import svg

Points = Sequence[tuple[float, float]]

COLUMNS, WIDTH, HEIGHT = 2, 470, 204
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 30, 58
MAX_LINES = 6  # per chart: the lines with the largest values
GAP_S = 3.0
LETTER = 5.8  # approximate width
COLOURS = ("#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#b07aa1", "#76b7b2")
STYLE = "font-family:sans-serif;font-size:11px;fill:#333"


@dataclass(frozen=True, slots=True)
class Chart:
    """`lines` maps a name to points, which are (unix time, value). `unit` is Grafana's word for the unit."""

    title: str
    unit: str
    lines: Mapping[str, Points]


def picture(
    title: str, charts: Sequence[Chart], marks: Sequence[tuple[float, str]], start_s: float, end_s: float
) -> str:
    """Draw the charts. `marks` are events: a numbered line in each chart, and a note below all of them."""
    rows = -(-len(charts) // COLUMNS)
    height = rows * HEIGHT + 24 + 15 * len(marks)
    drawn = [
        svg.element(
            "g",
            "\n".join(_chart(chart, [at_s for at_s, _ in marks], start_s, end_s)),
            transform=f"translate({number % COLUMNS * WIDTH},{number // COLUMNS * HEIGHT})",
        )
        for number, chart in enumerate(charts)
    ]
    notes = [
        svg.text(LEFT, rows * HEIGHT + 18 + 15 * number, f"{number + 1}: {what}")
        for number, (_, what) in enumerate(marks)
    ]
    width = COLUMNS * WIDTH
    return svg.document(width, height, title, [svg.background(width, height), *drawn, *notes], style=STYLE)


def _chart(chart: Chart, marks_s: Sequence[float], start_s: float, end_s: float) -> Iterator[str]:
    kept = sorted(chart.lines.items(), key=lambda line: -max((value for _, value in line[1]), default=0.0))[:MAX_LINES]
    top = max((value for _, points in kept for _, value in points), default=0.0) or 1.0
    width, height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def x(time_s: float) -> float:
        return LEFT + width * (time_s - start_s) / (end_s - start_s)

    def y(value: float) -> float:
        return TOP + height * (1 - value / top)

    yield svg.text(LEFT, 18, chart.title, style="font-size:13px;font-weight:bold")
    for share in (0.0, 0.5, 1.0):
        at = y(share * top)
        yield svg.element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=at, y2=at, stroke="#ddd")
        yield svg.text(LEFT - 5, at + 4, _shown(share * top, top, chart.unit), text_anchor="end")
    for number, mark_s in enumerate(marks_s):
        at = x(mark_s)
        yield svg.element("line", x1=at, x2=at, y1=TOP, y2=TOP + height, stroke="#999", stroke_dasharray="2 3")
        yield svg.text(at + 2, TOP + height + 11, str(number + 1), style="font-size:9px")
    for colour, (_, points) in zip(COLOURS, kept, strict=False):
        for run in _runs(points):
            line = ((x(time_s), y(value)) for time_s, value in run)
            yield svg.polyline(line, fill="none", stroke=colour, stroke_width=1.3)
    yield from _key([name for name, _ in kept])


def _runs(points: Points) -> list[list[tuple[float, float]]]:
    """Split the points at gaps longer than GAP_S, so that no line is drawn across them."""
    runs: list[list[tuple[float, float]]] = []
    for point in points:
        if runs and point[0] - runs[-1][-1][0] <= GAP_S:
            runs[-1].append(point)
        else:
            runs.append([point])
    return runs


def _key(names: Sequence[str]) -> Iterator[str]:
    """Name the lines, in several rows if needed."""
    left, top = float(LEFT), HEIGHT - 38
    for colour, name in zip(COLOURS, names, strict=False):
        width = 24 + LETTER * len(name)
        if left + width > WIDTH and left > LEFT:
            left, top = float(LEFT), top + 14
        yield svg.element("rect", x=left, y=top, width=9, height=9, fill=colour)
        yield svg.text(left + 13, top + 8, name)
        left += width


def _shown(value: float, top: float, unit: str) -> str:
    """Format a number on an axis that ends at `top`."""
    if unit == "s":
        return f"{value * 1e3:.3g} ms" if top < 1 else f"{value:.3g} s"
    if unit == "percentunit":
        return f"{value:.0%}"
    return f"{value:,.0f}" if top >= 100 else f"{value:.3g}"
