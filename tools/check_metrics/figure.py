"""The dashboard's queries as a picture: small charts of lines over time, as SVG. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

Points = Sequence[tuple[float, float]]

COLUMNS, WIDTH, HEIGHT = 2, 470, 204
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 30, 58
MOST_LINES = 6  # of one chart: the largest
GAP_S = 3.0
LETTER = 5.8  # its width, near enough
COLOURS = ("#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#b07aa1", "#76b7b2")
STYLE = "font-family:sans-serif;font-size:11px;fill:#333"


@dataclass(frozen=True, slots=True)
class Chart:
    """`lines` by their names; points are (unix time, value); `unit` is Grafana's word for it."""

    title: str
    unit: str
    lines: Mapping[str, Points]


def picture(
    title: str, charts: Sequence[Chart], marks: Sequence[tuple[float, str]], start_s: float, end_s: float
) -> str:
    """`marks` are times of which each chart has a numbered line, and below them all what happened then."""
    rows = -(-len(charts) // COLUMNS)
    height = rows * HEIGHT + 24 + 15 * len(marks)
    drawn = [
        f'<g transform="translate({number % COLUMNS * WIDTH},{number // COLUMNS * HEIGHT})">'
        f"{_chart(chart, [at_s for at_s, _ in marks], start_s, end_s)}</g>"
        for number, chart in enumerate(charts)
    ]
    notes = [
        f'<text x="{LEFT}" y="{rows * HEIGHT + 18 + 15 * number}">{number + 1}: {escape(what)}</text>'
        for number, (_, what) in enumerate(marks)
    ]
    size = f'viewBox="0 0 {COLUMNS * WIDTH} {height}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} style="{STYLE}" role="img">\n<title>{escape(title)}</title>\n'
        f'<rect width="{COLUMNS * WIDTH}" height="{height}" fill="#fff"/>\n'
        + "\n".join([*drawn, *notes])
        + "\n</svg>\n"
    )


def _chart(chart: Chart, marks_s: Sequence[float], start_s: float, end_s: float) -> str:
    kept = sorted(chart.lines.items(), key=lambda line: -max((value for _, value in line[1]), default=0.0))[:MOST_LINES]
    top = max((value for _, points in kept for _, value in points), default=0.0) or 1.0
    width, height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def x(time_s: float) -> float:
        return LEFT + width * (time_s - start_s) / (end_s - start_s)

    def y(value: float) -> float:
        return TOP + height * (1 - value / top)

    pieces = [f'<text x="{LEFT}" y="18" style="font-size:13px;font-weight:bold">{escape(chart.title)}</text>']
    for share in (0.0, 0.5, 1.0):
        at = y(share * top)
        pieces.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}" stroke="#ddd"/>')
        pieces.append(
            f'<text x="{LEFT - 5}" y="{at + 4:.1f}" text-anchor="end">{_shown(share * top, top, chart.unit)}</text>'
        )
    for number, mark_s in enumerate(marks_s):
        at = x(mark_s)
        pieces.append(
            f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{TOP + height}" stroke="#999" stroke-dasharray="2 3"/>'
            f'<text x="{at + 2:.1f}" y="{TOP + height + 11}" style="font-size:9px">{number + 1}</text>'
        )
    for colour, (_, points) in zip(COLOURS, kept, strict=False):
        for run in _runs(points):
            path = " ".join(f"{x(time_s):.1f},{y(value):.1f}" for time_s, value in run)
            pieces.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.3"/>')
    return "\n".join([*pieces, _key([name for name, _ in kept])])


def _runs(points: Points) -> list[list[tuple[float, float]]]:
    """What belongs together: where nothing was measured for GAP_S, no line says otherwise."""
    runs: list[list[tuple[float, float]]] = []
    for point in points:
        if runs and point[0] - runs[-1][-1][0] <= GAP_S:
            runs[-1].append(point)
        else:
            runs.append([point])
    return runs


def _key(names: Sequence[str]) -> str:
    """In as many rows as it takes."""
    pieces, left, top = [], float(LEFT), HEIGHT - 38
    for colour, name in zip(COLOURS, names, strict=False):
        width = 24 + LETTER * len(name)
        if left + width > WIDTH and left > LEFT:
            left, top = float(LEFT), top + 14
        pieces.append(f'<rect x="{left:.0f}" y="{top}" width="9" height="9" fill="{colour}"/>')
        pieces.append(f'<text x="{left + 13:.0f}" y="{top + 8}">{escape(name)}</text>')
        left += width
    return "\n".join(pieces)


def _shown(value: float, top: float, unit: str) -> str:
    """A number at an axis that ends at `top`."""
    if unit == "s":
        return f"{value * 1e3:.3g} ms" if top < 1 else f"{value:.3g} s"
    if unit == "percentunit":
        return f"{value:.0%}"
    return f"{value:,.0f}" if top >= 100 else f"{value:.3g}"
