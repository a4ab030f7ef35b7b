"""The stacked picture of where a request's time goes, as SVG. Pure."""

from collections.abc import Iterator
from statistics import median

from benchmarks.report.results import Parts, Round
from shared import svg

PARTS = {
    "socket_ms": ("sockets and HTTP", "#9aa5b1"),
    "decode_ms": ("decode", "#4e79a7"),
    "queue_ms": ("queue", "#f2c14e"),
    "model_ms": ("model", "#59a14f"),
    "reply_ms": ("results and reply", "#e15759"),
}
WIDTH, BAR, GAP = 760, 26, 18
LEFT, RIGHT, TOP, KEY = 130, 90, 20, 30
STYLE = "font-family:sans-serif;font-size:13px;fill:#333"


def typical_parts(rounds: list[Round]) -> dict[int, Parts]:
    """Return the median of each part over all rounds, for each number of connections."""
    measured: dict[int, list[Parts]] = {}
    for one in rounds:
        for single in one.single:
            if single.parts:
                measured.setdefault(single.load.connections, []).append(single.parts)
    return {
        connections: Parts(**{name: median(getattr(parts, name) for parts in several) for name in PARTS})
        for connections, several in sorted(measured.items())
    }


def stacked_picture(parts_of: dict[int, Parts]) -> str:
    """Return a bar for each number of connections. Bars have the same length, and each says its own total."""
    height = TOP + len(parts_of) * (BAR + GAP) + KEY
    bars = [
        piece
        for row, (connections, parts) in enumerate(parts_of.items())
        for piece in _bar(connections, parts, TOP + row * (BAR + GAP))
    ]
    pieces = [svg.background(WIDTH, height), *bars, *_key(height - 12)]
    return svg.document(WIDTH, height, "Where the time of one request goes", pieces, style=STYLE)


def _bar(connections: int, parts: Parts, top: int) -> Iterator[str]:
    total_ms = sum(getattr(parts, name) for name in PARTS) or 1.0
    plural = "s" if connections > 1 else ""
    baseline = top + BAR - 8
    yield svg.text(LEFT - 10, baseline, f"{connections} connection{plural}", text_anchor="end")
    left = float(LEFT)
    for name, (label, colour) in PARTS.items():
        part_ms = getattr(parts, name)
        width = (WIDTH - LEFT - RIGHT) * part_ms / total_ms
        title = svg.element("title", f"{label}: {part_ms:.3g} ms")
        yield svg.element("rect", title, x=left, y=top, width=width, height=BAR, fill=colour)
        if width > 40:
            yield svg.text(left + 5, baseline, f"{part_ms:.2g}")
        left += width
    yield svg.text(left + 8, baseline, f"{total_ms:.3g} ms")


def _key(baseline: int) -> Iterator[str]:
    left = LEFT
    for label, colour in PARTS.values():
        yield svg.element("rect", x=left, y=baseline - 10, width=11, height=11, fill=colour)
        yield svg.text(left + 16, baseline, label)
        left += 40 + 7 * len(label)
