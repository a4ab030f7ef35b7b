"""SVG elements as text."""

from collections.abc import Iterable, Sequence
from html import escape

BACKGROUND = "#fff"


def document(width: float, height: float, title: str, parts: Iterable[str], /, **attributes: object) -> str:
    """Return an SVG file with a title and the parts, one per line."""
    return f"{inline(width, height, title, parts, xmlns='http://www.w3.org/2000/svg', **attributes)}\n"


def inline(width: float, height: float, title: str, parts: Iterable[str], /, **attributes: object) -> str:
    """Return the picture for an HTML page, which needs no namespace."""
    content = "\n".join(["", element("title", escape(title)), *parts, ""])
    return element("svg", content, viewBox=f"0 0 {_written(width)} {_written(height)}", role="img", **attributes)


def background(width: float, height: float) -> str:
    return element("rect", width=width, height=height, fill=BACKGROUND)


def element(name: str, content: str = "", /, **attributes: object) -> str:
    """Return an element; `content` is markup. `stroke_width=` writes `stroke-width`, and `class_=` writes `class`."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_written(value))}"' for key, value in attributes.items()
    )
    return f"<{name}{written}>{content}</{name}>" if content else f"<{name}{written}/>"


def text(x: float, y: float, words: str, **attributes: object) -> str:
    return element("text", escape(words, quote=False), x=x, y=y, **attributes)


def polyline(points: Iterable[Sequence[float]], **attributes: object) -> str:
    return element("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points), **attributes)


def _written(value: object) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)
