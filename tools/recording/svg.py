"""A terminal's rows over time as an SVG that plays once and ends with all of it.

Without animations, as where the reader wants none, the end is what is seen.
"""

from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby

from tools.recording.screen import Cell, Line

LETTER_PX, LINE_PX, EDGE_PX = 8.4, 18, 16
UPPER_HALF = "▀"
PROMPT = "$"
FIRST_GREY, BLACK, STEP = 232, 8, 10  # of the 24 that terminals have
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
    body = "\n".join(drawn for number, row in enumerate(rows) for drawn in _row(row, number))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height}" width="{width:g}" height="{height}"'
        f' role="img" aria-label="{escape(title)}">\n<title>{escape(title)}</title>\n<style>{STYLE}</style>\n'
        f'<rect class="paper" x="0.5" y="0.5" width="{width - 1:g}" height="{height - 1}" rx="8"/>\n{body}\n</svg>\n'
    )


def _row(lines: Sequence[Line], number: int) -> Iterator[str]:
    """Each line hidden until it comes, or shown until the next one comes."""
    for index, (from_s, cells) in enumerate(lines):
        if not cells:
            continue
        if index + 1 < len(lines):
            shown_s = lines[index + 1].from_s - from_s
            timing = f'class="gone" style="animation-duration:{shown_s:.2f}s;animation-delay:{from_s:.2f}s"'
        else:
            timing = f'class="kept" style="animation-duration:{from_s:.2f}s"'
        yield f"<g {timing}>{''.join(_drawn(cells, EDGE_PX + number * LINE_PX))}</g>"


def _drawn(cells: Sequence[Cell], top_px: float) -> Iterator[str]:
    """Letters by the line, so that their spaces are kept; halves of cells as shapes, since letters of two rows do not
    touch.
    """
    if cells[0].colors is None:
        text = "".join(cell.letter for cell in cells)
        typed = ' class="typed"' if text.startswith(PROMPT) else ""
        baseline_px, width_px = top_px + 0.75 * LINE_PX, len(text) * LETTER_PX
        place = f'x="{EDGE_PX}" y="{baseline_px:g}" textLength="{width_px:g}"'
        yield f"<text {place}{typed}>{escape(text, quote=False)}</text>"
        return
    for half in (0, 1):
        left_px: float = EDGE_PX
        for color, run in groupby(cells, key=lambda cell: _color(cell, half)):
            width_px = len(list(run)) * LETTER_PX
            place = f'x="{left_px:g}" y="{top_px + half * LINE_PX / 2:g}" width="{width_px:g}" height="{LINE_PX / 2:g}"'
            yield f'<rect {place} fill="{color}"/>'
            left_px += width_px


def _color(cell: Cell, half: int) -> str:
    """Of the upper or the lower half of a cell. Raises ValueError for what is no half of two greys."""
    if cell.letter != UPPER_HALF or cell.colors is None or cell.colors[half] < FIRST_GREY:
        raise ValueError(f"{cell} is not drawn here: {UPPER_HALF} in two greys is")
    return "#" + f"{BLACK + STEP * (cell.colors[half] - FIRST_GREY):02x}" * 3
