"""The windows of a number's line, and the pieces of which its digits' boxes are made."""

import time
from random import Random

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from api.images.fit.ink import Grey, ink_of
from api.images.number import number_grey
from api.images.number.line import line_of
from api.images.number.strip import DIGIT_PX, Strip, strip_of
from shared.errors import BadImage
from shared.shapes import MAX_WINDOWS, WINDOW_SHAPE


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


def strip(grey: Grey) -> Strip:
    return strip_of(line_of(*ink_of(grey)))


@pytest.mark.parametrize(("text", "spacing_px"), [("4", 0), ("2047", 12), ("90125", 5), ("38", -2)])
def test_each_digit_begins_and_ends_with_a_piece(text: str, spacing_px: int) -> None:
    grey, boxes = page(text, spacing_px)
    line, windows = number_grey(grey)
    lefts, rights = [piece.box[0] for piece in line.pieces], [piece.box[0] + piece.box[2] for piece in line.pieces]
    for left, _, right, _ in boxes:
        assert min(abs(each - left) for each in lefts) <= 6
        assert min(abs(each - right) for each in rights) <= 6
    assert windows.shape == (line.windows, *WINDOW_SHAPE[:2])
    assert windows.dtype == np.uint8
    middles = [piece.middle for piece in line.pieces]
    assert middles == sorted(middles)
    assert -1 <= middles[0] <= middles[-1] <= line.views[0]


def test_light_ink_on_a_dark_ground_gives_the_same_windows() -> None:
    grey, _ = page("417")
    assert np.abs(number_grey(255 - grey)[1].astype(int) - number_grey(grey)[1]).mean() < 2


@pytest.mark.parametrize("turn", [-7, 7])
def test_a_line_that_rises_or_falls_is_levelled(turn: float) -> None:
    image = Image.fromarray(page("204817", 14, (600, 260))[0].astype(np.uint8))
    pixels = strip(np.asarray(image.rotate(turn, Image.Resampling.BILINEAR, fillcolor=255), np.float32)).pixels
    columns = np.flatnonzero(pixels.max(0) > 128)
    for part in (pixels[:, columns[0] : columns[0] + 15], pixels[:, columns[-1] - 15 : columns[-1]]):
        rows = np.flatnonzero(part.max(1) > 128)
        assert abs((rows[0] + rows[-1] + 1) / 2 - len(pixels) / 2) <= 3


@pytest.mark.parametrize("size", [1, 3])
def test_digits_have_one_height_in_pictures_of_any_size(size: int) -> None:
    image = Image.fromarray(page("2047", 12)[0].astype(np.uint8)).resize((500 * size, 160 * size))
    rows = np.flatnonzero(strip(np.asarray(image, np.float32)).pixels.max(1) > 128)
    assert abs(np.ptp(rows) + 1 - DIGIT_PX) <= 2


def test_wide_gaps_are_shortened() -> None:
    assert strip(page("47", 70)[0]).windows == strip(page("47", 30)[0]).windows


def test_a_long_number_is_squeezed_into_the_windows_and_a_longer_one_refused() -> None:
    small = Image.fromarray(page("0", 0, (160, 160))[0].astype(np.uint8)).crop((38, 0, 100, 160)).resize((12, 32))
    digit = np.asarray(small, np.float32)
    for count in (16, 30):
        line = np.pad(np.tile(digit, (1, count)), 10, constant_values=255)
        assert max(number_grey(line)[0].views) <= MAX_WINDOWS
    with pytest.raises(BadImage, match=r"no number found: the line is .* times as long"):
        number_grey(np.pad(np.tile(digit, (1, 60)), 10, constant_values=255))


def test_the_last_digit_has_a_window_behind_its_ink() -> None:
    line, windows = number_grey(page("47")[0])
    last = windows[line.views[0] - 1]
    assert windows[0][:, WINDOW_SHAPE[1] // 2 :].max() == 255
    assert last[:, WINDOW_SHAPE[1] // 2 :].max() == 0


def test_a_digit_that_the_side_of_the_picture_cuts_is_part_of_the_number() -> None:
    grey, boxes = page("5972")
    cut = grey[:, boxes[0][0] + 8 :]
    assert line_of(*ink_of(cut)).groups.max() == 4


def test_a_pen_fainter_than_its_boxes_is_found_whole() -> None:
    image = Image.new("L", (400, 160), 255)
    draw = ImageDraw.Draw(image)
    for x in (40, 140, 240):
        draw.rectangle((x, 30, x + 90, 130), outline=0, width=3)
        draw.line([(x + 30, 50), (x + 65, 50), (x + 45, 118)], 185, 2)
    line = line_of(*ink_of(np.asarray(image, np.float32)))
    assert line.groups.max() == 3
    assert len(line.groups) > 60


def test_a_bar_that_fills_its_box_is_a_line() -> None:
    grey = np.full((100, 160), 255, np.float32)
    grey[30:70, 70:80] = 0
    line, windows = number_grey(grey)
    assert (line.windows, len(line.pieces)) == (len(windows), 1)


def test_a_picture_without_ink_has_no_number() -> None:
    with pytest.raises(BadImage, match="no digit found"):
        number_grey(np.full((100, 200), 200, np.float32))


@pytest.mark.parametrize("seed", range(6))
def test_the_windows_of_scribbles_are_bounded(seed: int) -> None:
    random = Random(seed)
    image = Image.new("L", (512, 512), 255)
    draw = ImageDraw.Draw(image)
    points = [(random.randrange(20, 492), random.randrange(20, 492)) for _ in range(10 ** (1 + seed % 3))]
    draw.line(points, 0, 3)
    started_s = time.process_time()
    try:
        line, windows = number_grey(np.asarray(image, np.float32))
    except BadImage:
        return
    finally:
        assert time.process_time() - started_s < 5
    assert 0 < len(windows) == line.windows <= 2 * MAX_WINDOWS
