"""Pictures become images of a version's size and channels, as a person would expect."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from api.images import large, shaped
from api.images.pixel_budget import PixelBudget
from api.images.shaped import decode_shaped
from shared.contract.model_spec import Resize
from shared.errors import BadImage
from shared.shapes import Shape, axes_of
from tests.support.uploads import image_file
from tools.fuzz.corpus_costly import picture
from tools.fuzz.costs import MAX_MEMORY_BYTES, RESET_PEAK

COLOUR: Shape = (6, 8, 3)
GREY: Shape = (6, 8, 1)
RED, BLUE = (255, 0, 0), (0, 0, 255)
MAX_PIXELS = 10_000
CLEAR_REFS = Path("/proc/self/clear_refs")


def decode(data: bytes, shape: Shape = COLOUR, resize: Resize = "exact") -> Any:
    pixels = decode_shaped(data, shape, resize, MAX_PIXELS, PixelBudget(MAX_PIXELS))
    return np.frombuffer(pixels, np.uint8).reshape(axes_of(shape))


def peak_bytes() -> int:
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) << 10


def noise(*shape: int) -> Any:
    return np.random.default_rng(1).integers(0, 256, shape, np.uint8)


def halves(width: int, height: int) -> Image.Image:
    """A picture that is red on its left and blue on its right."""
    picture = Image.new("RGB", (width, height), RED)
    picture.paste(BLUE, (width // 2, 0, width, height))
    return picture


@pytest.mark.parametrize("file_format", ["PNG", "BMP", "TIFF"])
def test_a_picture_of_the_right_size_is_taken_as_it_is(file_format: str) -> None:
    colour = noise(6, 8, 3)
    assert np.array_equal(decode(image_file(colour, file_format)), colour)
    grey = noise(6, 8)
    assert np.array_equal(decode(image_file(grey, file_format), GREY), grey)


def test_grey_becomes_colour_and_colour_grey() -> None:
    grey = noise(6, 8)
    assert np.array_equal(decode(image_file(grey)), np.stack([grey] * 3, axis=-1))
    expected = np.asarray(Image.fromarray(noise(6, 8, 3)).convert("L"))
    assert np.array_equal(decode(image_file(noise(6, 8, 3)), GREY), expected)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "P"])
def test_what_is_transparent_becomes_white(mode: str) -> None:
    picture = Image.new("RGBA", (8, 6), (*RED, 0))
    picture.paste((*BLUE, 255), (0, 0, 4, 6))
    if mode == "P":
        converted = Image.new("P", (8, 6), 1)
        converted.putpalette([0, 0, 255, 9, 9, 9])
        converted.paste(0, (0, 0, 4, 6))
        data = image_file(converted, "PNG", transparency=1)
    else:
        data = image_file(picture.convert(mode) if mode != "PA" else picture.convert("RGBA"))
    pixels = decode(data)
    assert (pixels[:, 4:] == 255).all()
    assert not (pixels[:, :4] == 255).all()


def test_half_transparent_pixels_are_mixed_with_white() -> None:
    pixels = decode(image_file(Image.new("RGBA", (8, 6), (0, 0, 0, 128))), GREY)
    assert np.unique(pixels).tolist() == [127]


def test_a_palette_is_resolved() -> None:
    pixels = decode(image_file(halves(8, 6).quantize(2), "GIF"))
    assert (pixels[:, :4] == RED).all()
    assert (pixels[:, 4:] == BLUE).all()


def test_16_bits_become_8() -> None:
    wide = (noise(6, 8).astype(np.uint16) << 8) | 255
    wide[0, 0] = 65_535
    assert np.array_equal(decode(image_file(Image.fromarray(wide)), GREY), wide >> 8)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_photo_is_upright_before_its_size_is_compared(orientation: int) -> None:
    upright = halves(8, 6)
    exif = Image.Exif()
    exif[0x0112] = orientation
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # transpositions that EXIF's are the inverse of
    stored = upright.transpose(Image.Transpose(undo[orientation])) if orientation > 1 else upright
    assert stored.size == ((6, 8) if orientation > 4 else (8, 6))
    assert np.array_equal(decode(image_file(stored, "PNG", exif=exif)), np.asarray(upright))


def test_another_size_is_an_error_that_names_both_and_the_parameter() -> None:
    with pytest.raises(BadImage, match=r"expected a 8×6 image, got 20×10: .*\?resize= \(stretch, crop or pad\)"):
        decode(image_file(halves(20, 10)))
    with pytest.raises(BadImage, match=r"\(stretch, crop or pad, or digit for one digit\)"):
        decode(image_file(halves(20, 10)), GREY)


def test_stretched_crop_and_pad_keep_what_their_names_say() -> None:
    wide = image_file(halves(80, 20))
    stretched = decode(wide, resize="stretch")
    assert (stretched[:, :3] == RED).all()
    assert (stretched[:, 5:] == BLUE).all()
    framed = halves(80, 20)
    framed.paste((0, 255, 0), (0, 0, 20, 20))
    framed.paste((0, 255, 0), (60, 0, 80, 20))
    cropped = decode(image_file(framed), resize="crop")
    assert not cropped[..., 1].any()  # the outer parts are cut off
    padded = decode(wide, resize="pad")
    assert padded.shape == COLOUR
    assert (padded[[0, 1, 4, 5]] == 0).all()
    assert padded[2:4].any(axis=-1).all()


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("size", [(1, 1), (3, 100), (100, 3), (7, 5)])
def test_any_proportions_fit(resize: Resize, size: tuple[int, int]) -> None:
    for shape in (COLOUR, GREY):
        assert (decode(image_file(Image.new("RGB", size, RED)), shape, resize) > 0).any()


def test_a_large_jpeg_is_scaled_while_it_is_unpacked() -> None:
    photo = image_file(halves(320, 240), "JPEG", quality=95)
    pixels = decode(photo, resize="stretch")
    assert abs(pixels[:, :3].astype(int) - RED).max() < 8


LARGE: dict[str, tuple[bytes, str]] = {
    "a PNG": (image_file(halves(101, 100)), "101×100 are more than 10000 pixels: .* or save it as a baseline JPEG"),
    "a WebP": (image_file(halves(100, 99), "WEBP"), "100×99 are more than 5000 pixels: .* as a baseline JPEG"),
    "a progressive JPEG": (
        image_file(halves(320, 240), "JPEG", progressive=True),
        "320×240 are more than 10000 pixels",
    ),
    "a JPEG": (image_file(halves(800, 600), "JPEG"), "800×600 are more than 80000 pixels: .* longer side$"),
    "a JPEG that is unpacked whole": (image_file(halves(140, 140), "JPEG"), "140×140 are more than 10000 pixels"),
}


@pytest.mark.parametrize("name", LARGE)
def test_a_picture_that_would_take_too_much_memory_is_refused(name: str) -> None:
    data, reason = LARGE[name]
    with pytest.raises(BadImage, match=reason):
        decode(data, (100, 2, 3) if name.endswith("whole") else COLOUR, resize="stretch")


def many_kinds() -> dict[str, bytes]:
    """Return smooth pictures of 90×60 pixels, whose means are nearly the same however they are calculated."""
    grey = np.add.outer(np.arange(60) * 2, np.arange(90)).astype(np.uint8)
    colour = Image.fromarray(np.stack([grey, 255 - grey, grey // 2], axis=-1))
    see_through = colour.copy()
    see_through.putalpha(Image.fromarray(grey))
    kinds = {mode: image_file(colour.convert(mode)) for mode in ("L", "RGB", "P")}
    kinds |= {"RGBA": image_file(see_through), "LA": image_file(see_through.convert("LA"))}
    kinds["I;16"] = image_file(Image.fromarray(grey.astype(np.uint16) * 257))
    kinds["F"] = image_file(Image.fromarray(grey.astype(np.float32) / 128 - 1), "TIFF")
    exif = Image.Exif()
    exif[0x0112] = 6
    return kinds | {"turned": image_file(colour, "PNG", exif=exif)}


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("shape", [COLOUR, GREY])
def test_a_large_picture_becomes_what_a_smaller_one_becomes(
    resize: Resize, shape: Shape, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = many_kinds()
    whole = {name: decode(data, shape, resize) for name, data in kinds.items()}
    for module in (large, shaped):
        monkeypatch.setattr(module, "STRIP_PIXELS", 700)
    for name, data in kinds.items():
        difference = np.abs(decode(data, shape, resize).astype(int) - whole[name])
        assert difference.max() <= 4, (name, difference.max())


@pytest.mark.slow
@pytest.mark.skipif(not CLEAR_REFS.exists(), reason="no /proc")
@pytest.mark.parametrize(
    ("mode", "file_format", "resize"), [("RGBA", "PNG", "pad"), ("I;16", "PNG", "crop"), ("F", "TIFF", "stretch")]
)
def test_no_picture_of_16_million_pixels_takes_more_memory_than_a_request_may(
    mode: str, file_format: str, resize: Resize
) -> None:
    data = picture(mode, file_format)
    CLEAR_REFS.write_text(RESET_PEAK)
    before_bytes = peak_bytes()
    decode_shaped(data, (590, 590, 3), resize, 4096 * 4096, PixelBudget(4096 * 4096))
    assert peak_bytes() - before_bytes < MAX_MEMORY_BYTES


def test_an_image_without_contrast_is_an_image_for_others_than_digits() -> None:
    blank = image_file(Image.new("RGB", (8, 6), RED))
    assert (decode(blank) == RED).all()
    with pytest.raises(BadImage, match="no contrast"):
        decode(image_file(np.zeros((28, 28), np.uint8)), (28, 28, 1))
    with pytest.raises(BadImage, match=r"\?resize=digit takes any size"):
        decode(image_file(np.zeros((29, 28), np.uint8)), (28, 28, 1))


def test_what_is_no_image_is_refused_like_everywhere() -> None:
    for data in (b"", b"text", image_file(noise(6, 8, 3))[:40]):
        with pytest.raises(BadImage):
            decode(data)
