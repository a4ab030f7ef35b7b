"""The pictures of the page: the reliability diagram as SVG, images as data: URIs."""

import base64
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from shared.images import Images
from training.qa.statistics import Bin

SIDE_PX = 300
MARGIN_PX = 44


def picture(image: Images) -> str:
    """uint8[28,28] as the data: URI of a PNG."""
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(image)).save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def reliability(bins: Sequence[Bin], champion: Sequence[Bin] | None) -> str:
    """How often it was right, by how sure it was; on the diagonal, confidence is what it claims to be.

    The area of a dot is the logarithm of its images: most of them lie in one bin.
    """
    size = SIDE_PX + 2 * MARGIN_PX
    parts = [
        f'<svg viewBox="0 0 {size} {size}" role="img" aria-label="Reliability diagram">',
        *_axes(),
        f'<line class="even" x1="{_x(0)}" y1="{_y(0)}" x2="{_x(1)}" y2="{_y(1)}"/>',
    ]
    if champion:
        parts += _curve(champion, "champion")
    parts += _curve(bins, "own")
    return "\n".join([*parts, "</svg>"])


def _axes() -> list[str]:
    parts = [f'<rect class="frame" x="{_x(0)}" y="{_y(1)}" width="{SIDE_PX}" height="{SIDE_PX}"/>']
    for tenth in range(0, 11, 2):
        share = tenth / 10
        parts.append(f'<text x="{_x(share)}" y="{_y(0) + 16}" text-anchor="middle">{share:g}</text>')
        parts.append(f'<text x="{_x(0) - 6}" y="{_y(share) + 4}" text-anchor="end">{share:g}</text>')
    middle = MARGIN_PX + SIDE_PX / 2
    parts.append(f'<text x="{middle}" y="{_y(0) + 34}" text-anchor="middle">probability of the answer</text>')
    parts.append(f'<text transform="translate(12 {middle}) rotate(-90)" text-anchor="middle">share read right</text>')
    return parts


def _curve(bins: Sequence[Bin], name: str) -> list[str]:
    points = " ".join(f"{_x(each.confidence):.1f},{_y(each.accuracy):.1f}" for each in bins)
    dots = [
        f'<circle class="{name}" cx="{_x(each.confidence):.1f}" cy="{_y(each.accuracy):.1f}" '
        f'r="{2 + np.sqrt(np.log(each.images)):.1f}"><title>{each.images} images: said {each.confidence:.3f}, '
        f"right {each.accuracy:.3f}</title></circle>"
        for each in bins
    ]
    return [f'<polyline class="{name}" points="{points}"/>', *dots]


def _x(share: float) -> float:
    return MARGIN_PX + share * SIDE_PX


def _y(share: float) -> float:
    return MARGIN_PX + (1 - share) * SIDE_PX
