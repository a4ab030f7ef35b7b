"""Rules and boxes are removed, and what they cross or what only looks like them is kept."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from api.images.fit.ink import Ink
from api.images.fit.rules import without_rules

THRESHOLD = 0.4


def drawn(*shapes: tuple[str, tuple[int, ...], int], size: tuple[int, int] = (300, 160)) -> Ink:
    image = Image.new("L", size)
    draw = ImageDraw.Draw(image)
    for shape, place, width in shapes:
        if shape == "line":
            draw.line(place, 255, width)
        elif shape == "box":
            draw.rectangle(place, outline=255, width=width)
        else:
            draw.ellipse(place, outline=255, width=width)
    return np.asarray(image, np.float32) / np.float32(255)


ZERO = ("oval", (120, 50, 170, 120), 8)


@pytest.mark.parametrize(
    "rules",
    [
        pytest.param([("line", (0, y, 300, y + 4), 2) for y in (30, 90, 140)], id="lined paper, a little tilted"),
        pytest.param(
            [("line", (0, y, 300, y), 1) for y in range(5, 160, 25)]
            + [("line", (x, 0, x, 160), 1) for x in range(5, 300, 25)],
            id="squared paper",
        ),
        pytest.param([("box", (105, 35, 185, 135), 3)], id="box"),
        pytest.param([("box", (x, 30, x + 70, 140), 2) for x in (40, 110, 180)], id="row of boxes"),
        pytest.param([("box", (x, 30, x + 60, 140), 2) for x in (30, 115, 200)], id="boxes apart"),
        pytest.param(
            [("box", (x, 30, x + 70, 140), 2) for x in (40, 110, 180)]
            + [("line", (0, y, 300, y), 2) for y in (15, 140)],
            id="row of boxes that stands on a rule",
        ),
        pytest.param(
            [("box", (x, 30, x + 66, 140), 2) for x in (25, 112)] + [("line", (293, 140, 296, 140), 2)],
            id="boxes and a speck far to the right of their lower side",
        ),
    ],
)
def test_rules_go_and_the_digit_stays(rules: list[tuple[str, tuple[int, ...], int]]) -> None:
    digit, page = drawn(ZERO) > 0.5, drawn(ZERO, *rules)
    left = without_rules(page, THRESHOLD) > 0.5
    assert (left & digit).sum() > 0.93 * digit.sum()
    assert (left & ~digit).sum() < 0.02 * (page > 0.5).sum()


@pytest.mark.parametrize(
    ("strokes", "boxes"),
    [
        pytest.param([("line", (52, 38, 52, 137), 2)], (20, 105, 190), id="a thin 1 nearly as high as its box"),
        pytest.param([("line", (250, 45, 246, 139), 2)], (20, 105, 190), id="the stem of a 7 that stands on its box"),
        pytest.param([("line", (260, 50, 160, 110), 30)], (20, 100, 180), id="a stroke that hides the last side"),
    ],
)
def test_the_sides_of_equal_boxes_go_and_strokes_between_them_stay(
    strokes: list[tuple[str, tuple[int, ...], int]], boxes: tuple[int, ...]
) -> None:
    zero = ("oval", (boxes[1] + 15, 50, boxes[1] + 45, 120), 6)
    ink = drawn(zero, *strokes) > 0.5
    apart = boxes[1] - boxes[0] > 80
    page = drawn(zero, *strokes, *(("box", (x, 30, x + (70 if apart else 80), 140), 2) for x in boxes))
    left = without_rules(page, THRESHOLD) > 0.5
    assert (left & ink).sum() > 0.9 * ink.sum()
    assert (left & ~ink).sum() < 0.05 * ((page > 0.5) & ~ink).sum()


@pytest.mark.parametrize(
    "strokes",
    [
        pytest.param([("line", (60, 20, 240, 20), 6), ("line", (240, 20, 120, 150), 6)], id="7"),
        pytest.param([("line", (150, 2, 150, 158), 4)], id="1 as high as the picture"),
        pytest.param([("box", (100, 20, 180, 140), 8)], id="0 of a display"),
        pytest.param([("box", (100, 20, 180, 140), 8), ("line", (100, 80, 180, 80), 8)], id="8 of a display"),
        pytest.param([("line", (20, 30, 80, 30), 5), ("line", (100, 30, 160, 30), 5)], id="bars of a 77"),
    ],
)
def test_strokes_are_no_rules(strokes: list[tuple[str, tuple[int, ...], int]]) -> None:
    page = drawn(*strokes)
    assert np.array_equal(without_rules(page, THRESHOLD), page)


def test_ink_without_rules_is_returned_as_it_is() -> None:
    page = drawn(ZERO)
    assert without_rules(page, THRESHOLD) is page
