"""The stacked picture of where a request's time goes, as SVG. Pure."""

from statistics import median
from xml.sax.saxutils import escape

from benchmarks.report.results import Parts, Round

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
    """By connections, the median over the rounds of each part."""
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
    """A bar for each number of connections. Bars share their length but not their scale: each says its own total."""
    height = TOP + len(parts_of) * (BAR + GAP) + KEY
    bars = [
        _bar(connections, parts, TOP + row * (BAR + GAP)) for row, (connections, parts) in enumerate(parts_of.items())
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" style="{STYLE}" role="img">\n'
        f"<title>Where the time of one request goes</title>\n"
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>\n'
        + "\n".join([*bars, _key(height - 12)])
        + "\n</svg>\n"
    )


def _bar(connections: int, parts: Parts, top: int) -> str:
    total_ms = sum(getattr(parts, name) for name in PARTS) or 1.0
    plural = "s" if connections > 1 else ""
    baseline = top + BAR - 8
    pieces = [f'<text x="{LEFT - 10}" y="{baseline}" text-anchor="end">{connections} connection{plural}</text>']
    left = float(LEFT)
    for name, (label, colour) in PARTS.items():
        part_ms = getattr(parts, name)
        width = (WIDTH - LEFT - RIGHT) * part_ms / total_ms
        pieces.append(
            f'<rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="{BAR}" fill="{colour}">'
            f"<title>{escape(label)}: {part_ms:.3g} ms</title></rect>"
        )
        if width > 40:
            pieces.append(f'<text x="{left + 5:.1f}" y="{baseline}">{part_ms:.2g}</text>')
        left += width
    pieces.append(f'<text x="{left + 8:.1f}" y="{baseline}">{total_ms:.3g} ms</text>')
    return "\n".join(pieces)


def _key(baseline: int) -> str:
    pieces, left = [], LEFT
    for label, colour in PARTS.values():
        pieces.append(f'<rect x="{left}" y="{baseline - 10}" width="11" height="11" fill="{colour}"/>')
        pieces.append(f'<text x="{left + 16}" y="{baseline}">{escape(label)}</text>')
        left += 40 + 7 * len(label)
    return "\n".join(pieces)
