"""Tests of the choice of ink: strokes that a rule has cut, underlines, and pictures of several digits."""

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw

from api.images.fit import fit_grey
from shared.errors import BadImage

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


@pytest.mark.parametrize("second", [(200, 200), (212, 196), (258, 190), (142, 185), (258, 120)])
def test_two_digits_close_to_each_other_become_one_row_in_any_direction(second: tuple[int, int]) -> None:
    small = [(x // 2, y // 2) for x, y in TWO]
    height, width = size(fitted((small, (200, 110)), (small, second), pen=5))
    assert width == 20
    assert height <= 11


@pytest.mark.parametrize("kind", ["bar of a 5", "stroke of a 4", "stroke of a 7", "display"])
def test_separate_strokes_of_one_digit_stay_together(kind: str) -> None:
    strokes: dict[str, list[tuple[Points, tuple[int, int]]]] = {
        "bar of a 5": [([(0, 0), (90, 0)], (200, 100)), ([(0, 0), (60, 10), (70, 60), (40, 90), (0, 80)], (205, 118))],
        "stroke of a 4": [([(20, 0), (0, 80), (60, 80)], (200, 100)), ([(0, 0), (0, 150)], (275, 90))],
        "stroke of a 7": [(SEVEN, (200, 100)), ([(0, 0), (30, 0)], (190, 180))],
        "display": [([(0, 0), (0, 70)], (260, 100)), ([(0, 0), (0, 70)], (260, 184)), ([(0, 0), (50, 0)], (202, 92))],
    }
    height, width = size(fitted(*strokes[kind], pen=7))
    assert height == 20
    assert width < 20


def test_an_underline_that_is_larger_than_two_digits_above_it_is_left_out() -> None:
    small = [(x // 3, y // 3) for x, y in TWO]
    line = ([(0, 0), (240, 0)], (120, 160))
    height, width = size(fitted((small, (200, 90)), (small, (260, 90)), line, pen=7))
    assert width == 20
    assert height <= 11


@pytest.mark.parametrize("edge", [False, True])
@pytest.mark.parametrize("turns", range(4))
def test_a_gradient_or_an_edge_along_a_side_of_the_picture_is_no_digit(turns: int, edge: bool) -> None:
    ramp = np.tile(np.linspace(0, 255, 168), (168, 1))
    page = np.rot90(np.where(ramp > 200, 255, 0) if edge else ramp, turns)
    with pytest.raises(BadImage):
        fit_grey(page.astype(np.float32))


def test_a_one_that_was_cut_out_closely_is_a_digit() -> None:
    page = Image.new("L", (60, 200), 245)
    ImageDraw.Draw(page).line((8, 199, 50, 0), 20, 14)
    assert size(fit_grey(np.asarray(page, np.float32)))[0] == 20


@pytest.mark.parametrize("pen", [10, 24, 40])
def test_a_zero_of_any_pen_has_strokes(pen: int) -> None:
    page = Image.new("L", (512, 384), 245)
    ImageDraw.Draw(page).ellipse((180, 90, 180 + 170, 290), outline=30, width=pen)
    assert size(fit_grey(np.asarray(page, np.float32)))[0] == 20


def test_a_dot_is_no_second_digit() -> None:
    dotted = fitted((TWO, (200, 110)), ([(0, 0), (9, 0)], (400, 260)), pen=9)
    assert alike(dotted, fitted((TWO, (200, 110)), pen=9))
