"""Properties of the fitting. `python -m tools.fit_accuracy` measures its accuracy; the last, slow test guards it."""

import struct
import subprocess
import sys
import zlib
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw

from api.images.decode import decode_image
from api.images.fit import fit_grey, fit_picture
from api.images.fit.normalise import shows_row
from shared.config.settings import LARGEST_MAX_FIT_PIXELS
from shared.data.dataset import Split
from shared.errors import BadImage
from shared.images import images_from_pixels
from tests.support.processes import ROOT
from tests.support.uploads import image_file
from tools.fit_accuracy.mnist_frames import mnist_frames

MAX_PIXELS = 1 << 24
Signed = npt.NDArray[np.int64]
pytestmark = pytest.mark.filterwarnings("ignore:::PIL")


def drawn(at: tuple[int, int] = (200, 120)) -> Image.Image:
    """Draw a seven on paper, black on white."""
    picture = Image.new("L", (640, 480), 255)
    points = [(at[0] + x, at[1] + y) for x, y in ((0, 0), (130, 0), (60, 200))]
    ImageDraw.Draw(picture).line(points, fill=0, width=22, joint="curve")
    return picture


def test_a_row_of_digits_is_too_wide_for_one_whether_they_touch_or_not() -> None:
    for apart, several in ((0, False), (90, True), (200, True)):
        picture = Image.new("L", (640, 480), 255)
        for left in {150, 150 + apart}:
            points = [(left + x, 120 + y) for x, y in ((0, 0), (100, 0), (40, 130))]
            ImageDraw.Draw(picture).line(points, fill=0, width=22, joint="curve")
        assert shows_row(fitted(picture).astype(np.uint8)) == several
    assert not shows_row(np.zeros((28, 28), np.uint8))


def test_a_wide_picture_with_ink_in_each_column_is_no_row() -> None:
    picture = Image.new("L", (640, 480), 255)
    for line in range(5):
        ImageDraw.Draw(picture).line([(150, 120 + 35 * line), (400, 130 + 35 * line)], fill=0, width=16)
    ImageDraw.Draw(picture).line([(150, 120), (150, 260)], fill=0, width=16)
    assert not shows_row(fitted(picture).astype(np.uint8))


def fitted(picture: Image.Image, file_format: str = "PNG") -> Signed:
    image: Signed = images_from_pixels(fit_picture(image_file(picture, file_format), MAX_PIXELS))[0].astype(np.int64)
    return image


SEVEN = fitted(drawn())


def alike(image: Signed) -> bool:
    """Compare up to a shift by half a pixel. Another digit, a speck or a line in the box differs by 30 or more."""
    return bool(np.abs(image - SEVEN).mean() < 12)


def test_the_digit_is_in_a_box_of_20_with_its_centre_of_mass_in_the_middle() -> None:
    rows, columns = np.nonzero(SEVEN.sum(1))[0], np.nonzero(SEVEN.sum(0))[0]
    assert rows[-1] - rows[0] + 1 == 20
    assert columns[-1] - columns[0] + 1 <= 20
    for axis in (0, 1):
        centre = (SEVEN.sum(axis) * np.arange(28)).sum() / SEVEN.sum()
        assert centre == pytest.approx(14, abs=0.6)
    assert SEVEN.max() > 240


@pytest.mark.parametrize("at", [(30, 20), (480, 250), (200, 100)])
def test_the_position_does_not_matter(at: tuple[int, int]) -> None:
    assert alike(fitted(drawn(at=at)))


@pytest.mark.parametrize("width", [120, 320, 2400, 4000])
def test_the_size_does_not_matter(width: int) -> None:
    assert alike(fitted(drawn().resize((width, width * 3 // 4), Image.Resampling.BOX)))


def test_white_on_black_is_the_same_as_black_on_white() -> None:
    assert alike(fitted(drawn().point(lambda grey: 255 - grey)))


@pytest.mark.parametrize("ink", [(0, 0, 0), (255, 255, 255), (200, 30, 30)])
def test_ink_on_transparency_is_laid_on_paper_that_lets_it_show(ink: tuple[int, int, int]) -> None:
    layer = Image.new("RGBA", (640, 480), ink)
    layer.putalpha(drawn().point(lambda grey: 255 - grey))
    assert alike(fitted(layer))


def test_specks_frames_rules_and_a_dark_table_are_excluded() -> None:
    picture = drawn(at=(220, 130))
    pen = ImageDraw.Draw(picture)
    pen.rectangle((20, 20, 610, 450), outline=0, width=4)
    for x in range(60, 600, 45):
        pen.ellipse((x, 60, x + 3, 63), fill=0)
    assert alike(fitted(picture))
    ruled = drawn(at=(220, 130))
    for y in (90, 370):
        ImageDraw.Draw(ruled).line((0, y, 640, y), fill=90, width=3)
    assert alike(fitted(ruled))
    table = drawn(at=(220, 130))
    ImageDraw.Draw(table).rectangle((0, 0, 100, 480), fill=20)
    assert alike(fitted(table))


def test_uneven_light_and_the_edge_of_a_shadow_are_not_ink() -> None:
    y, x = np.mgrid[0:480, 0:640]
    light = (1 - 0.5 * x / 640) * np.where(x + y > 500, 0.6, 1.0)
    picture = np.asarray(drawn(), float) * 0.75 + 60
    assert alike(fit_grey((picture * light).astype(np.float32)).astype(np.int64))


@pytest.mark.parametrize("mode", ["1", "P", "RGB", "CMYK", "I;16", "F"])
def test_every_mode_is_read(mode: str) -> None:
    picture = drawn()
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(picture).astype(np.uint16) * 257)
    elif mode == "F":
        picture = Image.fromarray(np.asarray(picture).astype(np.float32) / 255)
    elif mode == "CMYK":
        picture = picture.convert("RGB").convert("CMYK")
    else:
        picture = picture.convert(mode)
    assert alike(fitted(picture, "TIFF"))


@pytest.mark.parametrize("sigma", [0, 3, 12])
@pytest.mark.parametrize("ramp", [0, 30])
def test_paper_without_ink_is_refused_with_a_readable_reason(sigma: int, ramp: int) -> None:
    noise = np.random.default_rng(1).normal(200 - sigma * 3, sigma, (480, 640)) - np.linspace(0, ramp, 640)
    with pytest.raises(BadImage, match="no digit found"):
        fit_picture(image_file(np.clip(noise, 0, 255).astype(np.uint8)), MAX_PIXELS)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (2, 2)])
def test_a_picture_too_small_for_a_digit_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(BadImage, match="no digit found"):
        fit_picture(image_file(Image.new("L", size, 255)), MAX_PIXELS)


def test_more_pixels_than_the_bound_are_refused_before_they_are_unpacked() -> None:
    data = image_file(Image.new("1", (300, 200)))[:60]
    with pytest.raises(BadImage, match=r"300×200 are more than 50000 pixels"):
        fit_picture(data, 50_000)


def claiming(size: tuple[int, int], file_format: str) -> bytes:
    """Return the head of a file that claims to have this size."""
    data, (width, height) = bytearray(image_file(Image.new("L", (16, 16)), file_format)), size
    if file_format == "PNG":
        data[16:24] = struct.pack(">II", width, height)
        data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    else:
        frame = data.index(b"\xff\xc0") + 5
        data[frame : frame + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def test_the_only_limit_on_pixels_is_that_of_the_setting() -> None:
    too_many = "13500×13500 are more than 16777216 pixels: scale the picture down to 4096 pixels"
    with pytest.raises(BadImage, match=too_many):
        fit_picture(claiming((13_500, 13_500), "PNG"), MAX_PIXELS)
    with pytest.raises(BadImage, match="a damaged or truncated image"):
        fit_picture(claiming((32_000, 32_000), "JPEG")[:-8], LARGEST_MAX_FIT_PIXELS)


def test_more_pixels_than_any_setting_allows_are_refused_with_advice_that_helps() -> None:
    for read in (decode_image, lambda data: fit_picture(data, LARGEST_MAX_FIT_PIXELS)):
        with pytest.raises(BadImage, match=r"^the image has more than 1073741824 pixels: scale it down$"):
            read(claiming((40_000, 40_000), "PNG"))


def photo(size: tuple[int, int], orientation: int = 1, **options: Any) -> bytes:
    """Return a JPEG of a seven on paper, stored as a camera that is held upside down or upright stores it."""
    width, height = size
    paper = Image.new("L", (width // 16, height // 16), 210)
    x, y, step = width // 32, height // 32, height // 64
    seven = [(x - step, y - step), (x + step, y - step), (x - step // 3, y + step)]
    ImageDraw.Draw(paper).line(seven, fill=40, width=max(2, height // 512))
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = paper.rotate({1: 0, 3: 180, 6: 90, 8: 270}[orientation], expand=True)
    return image_file(turned.resize((turned.width * 16, turned.height * 16)), "JPEG", exif=exif, **options)


def test_a_photo_of_48_megapixels_is_read_whichever_way_it_was_held() -> None:
    upright = np.frombuffer(fit_picture(photo((2016, 1512)), MAX_PIXELS), np.uint8).astype(np.int64)
    for size, orientation in (((8064, 6048), 1), ((4032, 3024), 6), ((4032, 3024), 3), ((4032, 3024), 8)):
        got = np.frombuffer(fit_picture(photo(size, orientation), MAX_PIXELS), np.uint8).astype(np.int64)
        assert np.abs(got - upright).mean() < 8


def test_a_photo_that_has_to_be_unpacked_whole_has_a_lower_bound_that_says_what_to_do() -> None:
    with pytest.raises(BadImage, match=r"4352×4096 are more than \d+ pixels.+ down to \d+ pixels .+ baseline JPEG"):
        fit_picture(photo((4352, 4096), progressive=True), MAX_PIXELS)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "I;16", "P"])
def test_a_large_picture_is_scaled_down_in_strips(mode: str) -> None:
    picture = drawn().resize((2000, 1500))
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(picture).astype(np.uint16) * 257)
    assert alike(fitted(picture if mode == "I;16" else picture.convert(mode), "PNG"))


def test_a_picture_of_random_pixels_takes_bounded_work() -> None:
    """Every second pixel is a run of its own, which is the largest number of runs to join."""
    random = np.random.default_rng(1).integers(0, 2, (512, 512)) * 255
    with pytest.raises(BadImage):
        fit_grey(random.astype(np.float32))


def test_mnists_own_images_come_back_nearly_as_they_were(mnist: Split) -> None:
    images = mnist.images[:20]
    for image, frame in zip(images, mnist_frames(images, 1), strict=True):
        assert np.abs(fit_grey(frame).astype(int) - image).mean() < 16, "another picture"


def test_the_rendered_set_is_the_same_each_time() -> None:
    from tools.fit_accuracy.papers import picture

    assert picture(3, "written", Random(5)) == picture(3, "written", Random(5))


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_model_reads_what_was_fitted(mnist: Split) -> None:
    """About 99 % of the rendered digits are read correctly. Most errors are in a font that the model never saw."""
    command = [sys.executable, "-m", "tools.fit_accuracy", "--rendered", "150", "--frames", "150"]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    lines = [line for line in output.splitlines() if "% of " in line]
    parts = {line[:36].strip(): float(line[36:].split("%")[0]) for line in lines}
    assert parts["rendered, all"] >= 97, output
    assert parts["written"] >= 97, output
    assert parts["MNIST in frames of 640×480"] >= 99, output
