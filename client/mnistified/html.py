"""Self-contained HTML for results and jobs in notebooks."""

import base64
from collections.abc import Sequence
from html import escape

BAR_PX = 120
FINAL_COLOUR = "#2a7"
OTHER_COLOUR = "#aaa"


def result(label: str | None, rows: Sequence[tuple[str, float]], image: bytes | None, model: str | None) -> str:
    """Return the image, if there is one, and a bar per row of a label and its probability."""
    picture = ""
    if image is not None:
        source = base64.b64encode(image).decode()
        style = "width:112px;height:112px;image-rendering:pixelated"
        picture = f'<img alt="the image" style="{style}" src="data:image/png;base64,{source}">'
    bars = "".join(_row(name, share, name == label) for name, share in rows)
    caption = f"<b>{'unsure' if label is None else escape(label)}</b> {escape(model or '')}"
    table = f'<table style="font-size:11px;line-height:1">{bars}</table>'
    return f'<div style="display:flex;gap:12px;align-items:center">{picture}{table}<div>{caption}</div></div>'


def job(job_id: str, state: str, finished: int, total: int, eta_s: float | None) -> str:
    """Return a progress bar."""
    left = f", {eta_s:.0f} s left" if eta_s else ""
    text = f"{escape(job_id)}: {escape(state)}, {finished:,} of {total:,}{left}"
    return f'<div><progress max="{max(total, 1)}" value="{finished}"></progress> {text}</div>'


def _row(label: str, share: float, chosen: bool) -> str:
    colour = FINAL_COLOUR if chosen else OTHER_COLOUR
    bar = f'<div style="height:8px;width:{share * BAR_PX:.0f}px;background:{colour}"></div>'
    return f"<tr><td>{escape(label)}</td><td>{bar}</td><td>{share:.1%}</td></tr>"
