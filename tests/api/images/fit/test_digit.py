"""Tests of the choice of ink: strokes that a rule has cut, underlines, and pictures of several digits."""

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw

from api.images.fit import fit_grey

TWO = [(0, 30), (20, 0), (70, 0), (90, 40), (0, 150), (100, 150)]
SEVEN = [(0, 0), (100, 0), (30, 150)]
Points = list[tuple[int, int]]
Fitted = npt.NDArray[np.uint8]


def fitted(*strokes: tuple[Points, tuple[int, int]], pen: int = 6, rules: int = 0) -> Fitted:
    """Draw strokes, each at its place, on paper with a rule every `rules` pixels."""
    page = Image.new("L", (512, 384), 245)
    draw = ImageDraw.Draw(page)
    for y in range(10, 384, rules) if rules else ():
        draw.line((0, y, 512, y), 150, 2)
    for points, (left, top) in strokes:
        draw.line([(left + x, top + y) for x, y in points], 20, pen, "curve")
    return fit_grey(np.asarray(page, np.float32))


def size(image: Fitted) -> tuple[int, int]:
    rows, columns = np.flatnonzero(image.max(1) > 60), np.flatnonzero(image.max(0) > 60)
    return int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1


def alike(one: Fitted, other: Fitted) -> bool:
    return bool(np.abs(one.astype(int) - other).mean() < 12)


def test_a_thin_pen_on_lined_paper_is_read_whole_although_the_rules_cut_its_strokes() -> None:
    assert alike(fitted((TWO, (200, 120)), pen=3, rules=34), fitted((TWO, (200, 120)), pen=3))


def test_an_underline_is_no_part_of_a_digit() -> None:
    underlined = fitted((SEVEN, (200, 110)), ([(0, 0), (160, 0)], (170, 280)))
    assert alike(underlined, fitted((SEVEN, (200, 110))))


def test_a_bar_that_is_as_wide_as_the_digit_stays() -> None:
    whole = fitted((TWO[:-1], (200, 110)), ([(0, 0), (96, 0)], (200, 268)))
    height, width = size(whole)
    assert (height, abs(width - 12) <= 1) == (20, True)
    assert not alike(whole, fitted((TWO[:-1], (200, 110))))


@pytest.mark.parametrize("second", [(330, 120), (400, 200), (210, 30), (60, 220)])
def test_several_digits_become_one_row_wherever_they_are(second: tuple[int, int]) -> None:
    small = [(x // 2, y // 2) for x, y in TWO]
    height, width = size(fitted((small, (200, 150)), (small, second), pen=5))
    assert width == 20
    assert height < 17


def test_a_dot_is_no_second_digit() -> None:
    dotted = fitted((TWO, (200, 110)), ([(0, 0), (9, 0)], (400, 260)), pen=9)
    assert alike(dotted, fitted((TWO, (200, 110)), pen=9))
