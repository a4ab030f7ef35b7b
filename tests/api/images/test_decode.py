import io
import struct
import time
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, PngImagePlugin, TiffImagePlugin

from api.images.decode import Picture, decode_image, read_picture
from shared.errors import BadImage
from shared.images import Images
from tests.support.thoroughness import examples
from tests.support.uploads import image_file

pytestmark = pytest.mark.filterwarnings("ignore:::PIL")  # as in service: pytest takes the module's own filter away

bounded = settings(max_examples=examples(150), deadline=None, database=None)


def drawn_digit() -> Image.Image:
    """Draw a seven large and shrink it, so that its strokes have grey edges. No symmetry maps it to itself."""
    large = Image.new("L", (112, 112))
    ImageDraw.Draw(large).line([(25, 30), (85, 30), (50, 95)], fill=255, width=11)
    return large.resize((28, 28), Image.Resampling.BOX)


DIGIT = drawn_digit()
PIXELS: Images = np.asarray(DIGIT)
OPAQUE = Image.new("L", (28, 28), 255)


def decoded(data: bytes) -> Images:
    return np.frombuffer(decode_image(data), np.uint8).reshape(28, 28)


IN_MODE = {
    "1": DIGIT.point(lambda grey: grey > 127 and 255).convert("1"),
    "L": DIGIT,
    "LA": Image.merge("LA", (DIGIT, OPAQUE)),
    "P": DIGIT.convert("P"),
    "RGB": DIGIT.convert("RGB"),
    "RGBA": Image.merge("RGBA", (DIGIT, DIGIT, DIGIT, OPAQUE)),
    "CMYK": DIGIT.convert("RGB").convert("CMYK"),
    "I;16": Image.fromarray(PIXELS.astype(np.uint16) << 8 | 0xAD),
    "I;16B": Image.fromarray((PIXELS.astype(np.uint16) << 8 | 0xAD).astype(">u2")),
    "I": Image.fromarray(PIXELS.astype(np.int32) << 8 | 0xAD),
    "F": Image.fromarray(PIXELS.astype(np.float32)),
    "F, 0 to 1": Image.fromarray(PIXELS.astype(np.float32) / 255),
}
LOSSLESS: dict[str, tuple[list[str], dict[str, Any]]] = {
    "PNG": (["1", "L", "LA", "P", "RGB", "RGBA", "I;16"], {}),
    "GIF": (["1", "L", "P"], {}),
    "BMP": (["1", "L", "P", "RGB", "RGBA"], {}),
    "TIFF": (list(IN_MODE), {"compression": "tiff_lzw"}),
    "WEBP": (["RGB", "RGBA"], {"lossless": True}),
}


@pytest.mark.parametrize(("file_format", "mode"), [(name, mode) for name in LOSSLESS for mode in LOSSLESS[name][0]])
def test_a_digit_comes_out_of_every_lossless_file_as_it_was_drawn(file_format: str, mode: str) -> None:
    data = image_file(IN_MODE[mode], file_format, **LOSSLESS[file_format][1])
    expected = np.where(PIXELS > 127, 255, 0) if mode == "1" else PIXELS
    np.testing.assert_array_equal(decoded(data), expected)


@pytest.mark.parametrize("compression", ["raw", "packbits", "tiff_deflate", "tiff_adobe_deflate"])
def test_the_compression_of_a_tiff_does_not_matter(compression: str) -> None:
    np.testing.assert_array_equal(decoded(image_file(DIGIT, "TIFF", compression=compression)), PIXELS)


@pytest.mark.parametrize(("file_format", "mode"), [("JPEG", "L"), ("JPEG", "RGB"), ("JPEG", "CMYK"), ("WEBP", "RGB")])
def test_a_digit_comes_out_of_a_lossy_file_nearly_as_it_was_drawn(file_format: str, mode: str) -> None:
    difference = decoded(image_file(IN_MODE[mode], file_format, quality=90)).astype(int) - PIXELS
    assert np.abs(difference).max() < 40
    assert np.abs(difference).mean() < 4


@pytest.mark.parametrize(("ink", "strokes"), [(255, 255), (150, 150), (105, 150), (0, 255)])
def test_ink_on_transparency_is_put_on_black_and_dark_ink_becomes_white(ink: int, strokes: int) -> None:
    drawn = Image.merge("LA", (Image.new("L", (28, 28), ink), DIGIT))  # as strong as it is opaque
    np.testing.assert_allclose(decoded(image_file(drawn)), PIXELS.astype(float) * strokes / 255, atol=0.51)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_black_on_white_that_is_declared_transparent_becomes_white_on_black(mode: str) -> None:
    black_on_white = DIGIT.point(lambda grey: 0 if grey > 127 else 255).convert(mode)
    data = image_file(black_on_white, "PNG", transparency=(255, 255, 255) if mode == "RGB" else 255)
    np.testing.assert_array_equal(decoded(data), np.where(PIXELS > 127, 255, 0))


@pytest.mark.parametrize("file_format", ["PNG", "GIF"])
def test_a_palette_with_a_transparent_background_is_put_on_black(file_format: str) -> None:
    np.testing.assert_array_equal(decoded(image_file(IN_MODE["P"], file_format, transparency=0)), PIXELS)


def test_a_dark_picture_that_is_opaque_everywhere_is_left_as_it_is() -> None:
    dark = Image.fromarray(PIXELS // 4)
    data = image_file(Image.merge("RGBA", (dark, dark, dark, OPAQUE)))
    np.testing.assert_array_equal(decoded(data), PIXELS // 4)


def test_a_picture_of_nothing_but_transparency_has_no_contrast() -> None:
    with pytest.raises(BadImage, match="no contrast: the grey levels range from 0 to 0 of 255"):
        decode_image(image_file(Image.new("RGBA", (28, 28), (255, 0, 0, 0))))


def inked(ink: tuple[int, int, int], alpha: Images) -> Images:
    """Return uint8[28,28,4]: ink of one colour, as strong as it is opaque."""
    return np.dstack([np.full((28, 28), level, np.uint8) for level in ink] + [alpha])


@pytest.mark.parametrize("alpha", [1, 40, 100])
def test_one_faint_light_pixel_does_not_make_dark_ink_light(alpha: int) -> None:
    picture = inked((20, 20, 60), PIXELS)
    picture[3, 3] = (255, 255, 255, alpha)
    got, clean = (decoded(image_file(Image.fromarray(each))) for each in (picture, inked((20, 20, 60), PIXELS)))
    assert clean.max() > 220
    np.testing.assert_array_equal(got[4:], clean[4:])


@pytest.mark.parametrize("ink", [0, 255])
@pytest.mark.parametrize("ground", [0, 255])
def test_a_picture_that_was_scaled_without_its_alpha_keeps_its_strokes(ink: int, ground: int) -> None:
    large = np.asarray(DIGIT.resize((280, 280), Image.Resampling.BICUBIC))
    picture = np.dstack([np.where(large > 127, ink, ground).astype(np.uint8)] * 3 + [np.where(large > 127, 255, 0)])
    bands = Image.fromarray(picture.astype(np.uint8)).split()
    scaled = Image.merge("RGBA", [band.resize((28, 28), Image.Resampling.BOX) for band in bands])
    difference = decoded(image_file(scaled)).astype(int) - PIXELS
    assert np.abs(difference).mean() < 6


@pytest.mark.parametrize("ground", [255, 240, 200])
def test_dark_ink_stays_ink_if_only_the_white_of_its_ground_was_made_transparent(ground: int) -> None:
    grey = 255 - PIXELS
    picture = np.dstack([grey] * 3 + [np.where(grey >= ground, 0, 255).astype(np.uint8)])
    np.testing.assert_array_equal(decoded(image_file(Image.fromarray(picture))), np.where(grey >= ground, 0, PIXELS))


def test_a_white_digit_on_a_black_disc_with_transparent_corners_stays_white() -> None:
    y, x = np.mgrid[-13.5:14.5, -13.5:14.5]
    disc = np.where(x**2 + y**2 < 182, 255, 0).astype(np.uint8)
    picture = np.dstack([PIXELS] * 3 + [disc])
    np.testing.assert_array_equal(decoded(image_file(Image.fromarray(picture))), np.where(disc > 0, PIXELS, 0))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (PIXELS.astype(np.uint16), PIXELS),
        (PIXELS.astype(np.uint16) * 4 + 3, PIXELS),
        (PIXELS.astype(np.uint16) * 16, PIXELS),
        (PIXELS.astype(np.uint16) * 128 + 32768, PIXELS),  # signed numbers from 0 on
        (PIXELS.astype(np.int32) * 16, PIXELS),
        (PIXELS.astype(np.float32) * 16 + 0.5, PIXELS),
        (PIXELS / np.float32(127.5) - 1, PIXELS),
        (PIXELS / np.float32(255) - np.float32(0.5), PIXELS),
        (PIXELS - np.float32(128), PIXELS),
        (PIXELS - PIXELS.mean(dtype=np.float32), PIXELS),
        (PIXELS / np.float32(255) - PIXELS.mean(dtype=np.float32) / 255, PIXELS),
        ((PIXELS - PIXELS.mean(dtype=np.float32)) / PIXELS.std(dtype=np.float32), PIXELS),
        ((PIXELS / np.float32(255) - np.float32(0.1307)) / np.float32(0.3081), PIXELS),
        (PIXELS * np.float32(1.05 / 255) - np.float32(0.02), None),  # the overshoot of resampling
    ],
)
def test_the_range_of_a_file_with_more_than_8_bits_is_recognized(
    values: np.ndarray[Any, Any], expected: Images | None
) -> None:
    difference = decoded(image_file(Image.fromarray(values), "TIFF")).astype(int) - PIXELS
    assert np.abs(difference).max() <= (1 if expected is not None else 14)
    if values.dtype == np.uint16:
        np.testing.assert_array_equal(decoded(image_file(Image.fromarray(values), "PNG")), expected)


def test_8_bits_that_begin_at_mid_grey_stay_grey_in_16_bits() -> None:
    grey = PIXELS // 2 + 128
    values = grey.astype(np.uint16) << 8
    np.testing.assert_array_equal(decoded(image_file(Image.fromarray(values), "PNG")), grey)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("scale", [1, 4, 257])
def test_white_may_be_zero_in_a_tiff_of_any_depth(bits: int, scale: int) -> None:
    values = PIXELS if bits == 8 else (255 * scale - PIXELS.astype(np.uint16) * scale)
    tags = {262: 0}
    data = image_file(Image.fromarray(255 - PIXELS if bits == 8 else values), "TIFF", tiffinfo=tags)
    stored = Image.open(io.BytesIO(data))
    assert isinstance(stored, TiffImagePlugin.TiffImageFile)
    assert stored.tag_v2[262] == 0
    difference = decoded(data).astype(int) - (PIXELS if bits == 16 else np.asarray(stored))
    assert np.abs(difference).max() <= 1


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.full((28, 28), 300, np.uint16), "no contrast: the grey levels range from 300 to 300 of 1023"),
        (PIXELS.astype(np.uint16) // 255, "no contrast: the grey levels range from 0 to 1 of 255"),
        (PIXELS.astype(np.int32) * 1000, "the values range from 0 to 255000, whose meaning is not certain"),
        (PIXELS.astype(np.int32) - 100, "the values range from -100 to 155, whose meaning is not certain"),
        (PIXELS * np.float32(1e6), "the values range from 0 to 2.55e\\+08"),
        (PIXELS - np.float32(1000), "the values range from -1000 to -745"),
        (PIXELS / np.float32(2550), "no contrast: the grey levels range from 0 to 0.1 of 1"),
        (np.full((28, 28), np.nan, np.float32), "infinite or not a number"),
        (np.where(PIXELS > 9, np.inf, 0).astype(np.float32), "infinite or not a number"),
    ],
)
def test_a_range_that_is_not_certain_is_refused_and_named(values: np.ndarray[Any, Any], reason: str) -> None:
    with pytest.raises(BadImage, match=reason):
        decode_image(image_file(Image.fromarray(values), "TIFF"))


@pytest.mark.parametrize("level", [0, 7, 128, 255])
@pytest.mark.parametrize("noise", [0, 1, 20])
@pytest.mark.parametrize("file_format", ["PNG", "BMP"])
def test_an_image_without_contrast_is_refused_and_its_levels_are_named(
    level: int, noise: int, file_format: str
) -> None:
    grain = np.random.default_rng(level).integers(0, noise + 1, (28, 28))
    pixels = np.clip(grain + min(level, 255 - noise), 0, 255).astype(np.uint8)
    with pytest.raises(BadImage, match=f"no contrast: the grey levels range from {pixels.min()} to {pixels.max()} of"):
        decode_image(image_file(Image.fromarray(pixels), file_format))


# From what is to be seen to what is stored, by what EXIF says of row 0 and column 0.
STORED: dict[int, Callable[[Images], Images]] = {
    1: lambda seen: seen,
    2: lambda seen: seen[:, ::-1],  # top, right
    3: lambda seen: seen[::-1, ::-1],  # bottom, right
    4: lambda seen: seen[::-1],  # bottom, left
    5: lambda seen: seen.T,  # left, top
    6: lambda seen: np.rot90(seen),  # right, top
    7: lambda seen: seen[::-1, ::-1].T,  # right, bottom
    8: lambda seen: np.rot90(seen, -1),  # left, bottom
}


def turned(orientation: int, mode: str = "L") -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(STORED[orientation](PIXELS))).convert(mode)


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize(("file_format", "mode"), [("PNG", "L"), ("PNG", "RGB"), ("TIFF", "L"), ("WEBP", "RGB")])
def test_the_orientation_in_the_exif_data_is_followed(file_format: str, mode: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if file_format == "WEBP" else {}
    data = image_file(turned(orientation, mode), file_format, exif=exif, **options)
    np.testing.assert_array_equal(decoded(data), PIXELS)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_the_orientation_in_xmp_data_is_followed(mode: str) -> None:
    xmp = PngImagePlugin.PngInfo()
    xmp.add_itxt("XML:com.adobe.xmp", '<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>')
    np.testing.assert_array_equal(decoded(image_file(turned(6, mode), "PNG", pnginfo=xmp)), PIXELS)


@pytest.mark.parametrize(("file_format", "mode"), [("GIF", "L"), ("WEBP", "RGB"), ("PNG", "L"), ("TIFF", "L")])
def test_of_several_frames_the_first_one_counts(file_format: str, mode: str) -> None:
    options = {"lossless": True} if file_format == "WEBP" else {}
    frames = [turned(orientation, mode) for orientation in (1, 3, 6)]
    data = image_file(frames[0], file_format, save_all=True, append_images=frames[1:], **options)
    np.testing.assert_array_equal(decoded(data), PIXELS)


@pytest.mark.parametrize(("width", "height"), [(27, 28), (28, 29), (1, 1), (28, 56), (280, 280)])
def test_another_size_is_refused_and_reported(width: int, height: int) -> None:
    with pytest.raises(BadImage, match=f"expected a 28×28 image, got {width}×{height}"):
        decode_image(image_file(Image.new("L", (width, height))))


@pytest.mark.parametrize("side", [10_000, 50_000])
def test_a_huge_picture_is_refused_by_its_header_alone(side: int) -> None:
    def part(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    bomb = (
        b"\x89PNG\r\n\x1a\n" + part(b"IHDR", header) + part(b"IDAT", zlib.compress(bytes(10**7))) + part(b"IEND", b"")
    )
    start_s = time.process_time()
    with pytest.raises(BadImage, match=r"expected a 28×28 image|more than 1073741824 pixels"):
        decode_image(bomb)
    assert time.process_time() - start_s < 1


def test_an_empty_body_is_refused_as_such() -> None:
    with pytest.raises(BadImage, match="the body is empty"):
        decode_image(b"")


@pytest.mark.parametrize(
    "data",
    [
        b"hello",
        b"<!doctype html><title>28 x 28</title>",
        b"%PDF-1.7\n",
        bytes(784),
        b"P5 28 28 255\n" + PIXELS.tobytes(),  # Pillow reads it, we do not say that we do
        b"\x89PNG\r\n\x1a\n",
    ],
    ids=["text", "html", "pdf", "raw pixels", "pgm", "no more than a magic number"],
)
def test_other_files_are_refused_with_the_accepted_formats(data: bytes) -> None:
    with pytest.raises(BadImage, match=rf"the body \({len(data)} bytes\) is not an image in any of PNG, JPEG, GIF"):
        decode_image(data)


FILES = {name: image_file(IN_MODE["RGB" if name == "WEBP" else "L"], name) for name in (*LOSSLESS, "JPEG")}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("part", [0.1, 0.3, 0.5, 0.7, 0.85])
def test_a_truncated_file_is_refused_with_what_was_wrong(name: str, part: float) -> None:
    with pytest.raises(BadImage, match=r"damaged or truncated image: .+|is not an image in any of"):
        decode_image(FILES[name][: int(len(FILES[name]) * part)])


@pytest.mark.parametrize("name", FILES)
def test_no_truncated_file_passes_as_half_a_picture(name: str) -> None:
    whole = decode_image(FILES[name])
    for length in range(1, len(FILES[name])):
        assert pixels_or_none(FILES[name][:length]) in (None, whole)


def pixels_or_none(data: bytes) -> bytes | None:
    """Decode. Errors other than the documented one fail the test."""
    try:
        pixels = decode_image(data)
    except BadImage:
        return None
    assert len(pixels) == 784
    return pixels


@bounded
@given(st.sampled_from([b"", *(data[:12] for data in FILES.values())]), st.binary(max_size=500))
def test_random_bytes_raise_bad_image_and_nothing_else(start: bytes, rest: bytes) -> None:
    assert pixels_or_none(start + rest) is None


@settings(bounded, max_examples=examples(600))
@given(
    data=st.sampled_from(list(FILES.values())),
    changes=st.lists(st.tuples(st.integers(0, 999), st.binary(min_size=1, max_size=4)), min_size=1, max_size=6),
    part=st.floats(0.5, 1),
)
def test_a_damaged_file_is_an_image_or_a_bad_image(data: bytes, changes: list[tuple[int, bytes]], part: float) -> None:
    damaged = bytearray(data)
    for at, change in changes:
        damaged[at % len(data) : at % len(data) + len(change)] = change
    pixels_or_none(bytes(damaged[: int(len(damaged) * part)]))


def test_a_picture_of_an_upload_has_pixels_or_a_reason() -> None:
    assert read_picture("7.png", FILES["PNG"]) == Picture("7.png", PIXELS.tobytes())
    assert read_picture("0.png", b"") == Picture("0.png", None, "the body is empty, expected an image file")
