"""A terminal's rows over time as an SVG that plays once and ends with all of the text.

Readers who turn animations off see the end.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

from shared import svg
from tools.recording.screen import Cell, Line

LETTER_PX, LINE_PX, EDGE_PX = 8.4, 18, 16
UPPER_HALF = "▀"
PROMPT = "$"
FIRST_GREY, BLACK, STEP = 232, 8, 10  # the 24 greys of terminals
STYLE = """
.paper { fill: #f6f8fa; stroke: #d0d7de }
text { font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; white-space: pre }
text { fill: #1f2328 }
.typed { fill: #0550ae }
rect { shape-rendering: crispEdges }
@media (prefers-color-scheme: dark) {
  .paper { fill: #161b22; stroke: #30363d }
  text { fill: #e6edf3 }
  .typed { fill: #79c0ff }
}
.kept { animation-name: hidden }
.gone { opacity: 0; animation-name: shown }
@keyframes hidden { from, to { opacity: 0 } }
@keyframes shown { from, to { opacity: 1 } }
@media (prefers-reduced-motion: reduce) { * { animation: none !important } }
"""


def picture(rows: Sequence[Sequence[Line]], columns: int, title: str) -> str:
    width, height = columns * LETTER_PX + 2 * EDGE_PX, len(rows) * LINE_PX + 2 * EDGE_PX
    paper = svg.element("rect", class_="paper", x=0.5, y=0.5, width=width - 1, height=height - 1, rx=8)
    body = [drawn for number, row in enumerate(rows) for drawn in _row(row, number)]
    parts = [svg.element("style", STYLE), paper, *body]
    return svg.document(width, height, title, parts, width=width, height=height, aria_label=title)


def _row(lines: Sequence[Line], number: int) -> Iterator[str]:
    """Draw each line of text: hidden until it appears, or shown until the next line replaces it."""
    for index, (from_s, cells) in enumerate(lines):
        if not cells:
            continue
        kind, timing = "kept", f"animation-duration:{from_s:.2f}s"
        if index + 1 < len(lines):
            shown_s = lines[index + 1].from_s - from_s
            kind, timing = "gone", f"animation-duration:{shown_s:.2f}s;animation-delay:{from_s:.2f}s"
        yield svg.element("g", "".join(_drawn(cells, EDGE_PX + number * LINE_PX)), class_=kind, style=timing)


def _drawn(cells: Sequence[Cell], top_px: float) -> Iterator[str]:
    """Draw letters line by line, which keeps their spaces, and half cells as rectangles, so that rows touch."""
    if cells[0].colors is None:
        text = "".join(cell.letter for cell in cells)
        typed = {"class_": "typed"} if text.startswith(PROMPT) else {}
        yield svg.text(EDGE_PX, top_px + 0.75 * LINE_PX, text, textLength=len(text) * LETTER_PX, **typed)
        return
    for half in (0, 1):
        left_px: float = EDGE_PX
        for color, run in groupby(cells, key=lambda cell: _color(cell, half)):
            width_px = len(list(run)) * LETTER_PX
            top_half_px = top_px + half * LINE_PX / 2
            yield svg.element("rect", x=left_px, y=top_half_px, width=width_px, height=LINE_PX / 2, fill=color)
            left_px += width_px


def _color(cell: Cell, half: int) -> str:
    """Return the colour of one half of a cell. Raises ValueError for any cell but a half block in two greys."""
    if cell.letter != UPPER_HALF or cell.colors is None or cell.colors[half] < FIRST_GREY:
        raise ValueError(f"{cell} cannot be drawn: expected {UPPER_HALF} in two greys")
    return "#" + f"{BLACK + STEP * (cell.colors[half] - FIRST_GREY):02x}" * 3
