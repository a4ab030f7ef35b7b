"""The lattice of a picture has the number's digits among its candidates, and is bounded."""

import time
from random import Random

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from api.images.fit.ink import Grey
from api.images.number.lattice import MAX_JOINED, lattice_of
from shared.contract.job import MAX_CANDIDATES, Lattice
from shared.errors import BadImage


def page(text: str, spacing_px: int = 10, size: tuple[int, int] = (500, 160)) -> tuple[Grey, list[tuple[int, ...]]]:
    """Return a picture with black digits on white, and the box of each digit."""
    image, font = Image.new("L", size, 255), ImageFont.load_default(90)
    left, boxes = 40, list[tuple[int, ...]]()
    for digit in text:
        glyph = Image.new("L", (200, 160))
        ImageDraw.Draw(glyph).text((50, 30), digit, 255, font)
        ink = glyph.getbbox()
        assert ink
        image.paste(0, (left - ink[0], 0), glyph)
        boxes.append((left, ink[1], left + ink[2] - ink[0], ink[3]))
        left = boxes[-1][2] + spacing_px
    return np.asarray(image, np.float32), boxes


def has_box(lattice: Lattice, box: tuple[int, ...]) -> bool:
    sides = [(left, top, left + width, top + height) for left, top, width, height in boxes_of(lattice)]
    return any(max(abs(a - b) for a, b in zip(side, box, strict=True)) <= 6 for side in sides)


def boxes_of(lattice: Lattice) -> list[tuple[int, int, int, int]]:
    return [candidate.box for candidate in lattice.candidates]


@pytest.mark.parametrize(("text", "spacing_px"), [("4", 0), ("2047", 12), ("90125", 5), ("38", -2)])
def test_each_digit_is_a_candidate(text: str, spacing_px: int) -> None:
    grey, boxes = page(text, spacing_px)
    lattice, images = lattice_of(grey)
    assert [box for box in boxes if not has_box(lattice, box)] == []
    assert images.shape == (len(lattice.candidates), 28, 28)
    assert images.dtype == np.uint8


def test_light_ink_on_a_dark_ground_gives_the_same_candidates() -> None:
    grey, _ = page("417")
    assert boxes_of(lattice_of(255 - grey)[0]) == boxes_of(lattice_of(grey)[0])


def test_a_picture_without_ink_has_no_number() -> None:
    with pytest.raises(BadImage, match="no digit found"):
        lattice_of(np.full((100, 200), 200, np.float32))


@pytest.mark.parametrize("seed", range(6))
def test_the_lattice_of_scribbles_is_bounded(seed: int) -> None:
    random = Random(seed)
    image = Image.new("L", (512, 512), 255)
    draw = ImageDraw.Draw(image)
    points = [(random.randrange(20, 492), random.randrange(20, 492)) for _ in range(10 ** (1 + seed % 3))]
    draw.line(points, 0, 3)
    started_s = time.process_time()
    try:
        lattice, images = lattice_of(np.asarray(image, np.float32))
    except BadImage:
        return
    finally:
        assert time.process_time() - started_s < 5
    assert 0 < len(images) == len(lattice.candidates) <= MAX_CANDIDATES
    for candidate in lattice.candidates:
        assert 0 <= candidate.first < candidate.last <= min(lattice.nodes, candidate.first + MAX_JOINED)
