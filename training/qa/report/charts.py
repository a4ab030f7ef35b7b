"""The graphics of the page: the reliability diagram as SVG, and images as `data:` URIs."""

import base64
import io
from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image

from shared import svg
from shared.images import Images
from training.qa.statistics import Bin

SIDE_PX = 300
MARGIN_PX = 44


def picture(image: Images) -> str:
    """Return uint8[28,28] as the `data:` URI of a PNG."""
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(image)).save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def reliability(bins: Sequence[Bin], champion: Sequence[Bin] | None) -> str:
    """Return a diagram of accuracy by confidence, as SVG. On the diagonal, they are equal.

    The area of a dot grows with the logarithm of its number of images, because most images lie in one bin.
    """
    size = SIDE_PX + 2 * MARGIN_PX
    diagonal = svg.element("line", class_="even", x1=_x(0), y1=_y(0), x2=_x(1), y2=_y(1))
    parts = [*_axes(), diagonal, *_curve(champion or (), "champion"), *_curve(bins, "own")]
    return svg.inline(size, size, "Reliability diagram", parts)


def _axes() -> Iterator[str]:
    yield svg.element("rect", class_="frame", x=_x(0), y=_y(1), width=SIDE_PX, height=SIDE_PX)
    for tenth in range(0, 11, 2):
        share = tenth / 10
        yield svg.text(_x(share), _y(0) + 16, f"{share:g}", text_anchor="middle")
        yield svg.text(_x(0) - 6, _y(share) + 4, f"{share:g}", text_anchor="end")
    middle = MARGIN_PX + SIDE_PX / 2
    yield svg.text(middle, _y(0) + 34, "confidence", text_anchor="middle")
    yield svg.text(0, 0, "accuracy", transform=f"translate(12 {middle}) rotate(-90)", text_anchor="middle")


def _curve(bins: Sequence[Bin], name: str) -> Iterator[str]:
    if bins:
        yield svg.polyline(((_x(each.confidence), _y(each.accuracy)) for each in bins), class_=name)
    for each in bins:
        title = f"{each.images} images: confidence {each.confidence:.3f}, accuracy {each.accuracy:.3f}"
        radius = 2 + float(np.sqrt(np.log(each.images)))
        geometry = {"cx": _x(each.confidence), "cy": _y(each.accuracy), "r": radius}
        yield svg.element("circle", svg.element("title", title), class_=name, **geometry)


def _x(share: float) -> float:
    return MARGIN_PX + share * SIDE_PX


def _y(share: float) -> float:
    return MARGIN_PX + (1 - share) * SIDE_PX
