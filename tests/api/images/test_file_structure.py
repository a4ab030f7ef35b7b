"""Limits on the structure of image files."""

import io
import time

import pytest
from PIL import Image

from api.images.decode import decode_image
from api.images.file_structure import check_structure, is_sequential_jpeg
from shared.errors import BadImage
from tests.api.images.test_decode import DIGIT, FILES
from tests.support.uploads import image_file
from tools.fuzz.corpus_images import bmp_of_run_lengths, png, png_chunk, tiff

JPEG = image_file(DIGIT.convert("RGB"), "JPEG")
SCAN = JPEG[JPEG.rindex(b"\xff\xda") : -2]
COSTLY = {
    "chunks": (png(png_chunk(b"aaAa", b"") * 100_001), "a PNG of more than 100000 chunks"),
    "scans": (JPEG[:-2] + SCAN * 100, "a JPEG of more than 64 scans"),
    "segments": (JPEG[:2] + b"\xff\xfe\0\2" * 3000 + JPEG[2:], "a JPEG of more than 2000 segments"),
    "strips": (tiff((256, 4, 1, 28), (273, 4, 30_000, 8)) + bytes(130_000), "a TIFF with a tag of more than 20000"),
    "run lengths": (bmp_of_run_lengths(1 << 19), "a BMP of more than 1 MiB with run lengths"),
    "GIF": (FILES["GIF"] + bytes(1 << 20), "save the image as JPEG or PNG"),
}


@pytest.mark.parametrize("name", COSTLY)
def test_a_file_of_too_many_parts_is_refused_at_once(name: str) -> None:
    data, reason = COSTLY[name]
    started_s = time.process_time()
    with pytest.raises(BadImage, match=reason):
        decode_image(data)
    assert time.process_time() - started_s < 0.5


@pytest.mark.parametrize("name", FILES)
def test_ordinary_files_pass(name: str) -> None:
    check_structure(FILES[name])
    for length in range(len(FILES[name])):
        check_structure(FILES[name][:length])


@pytest.mark.parametrize(("options", "expected"), [({}, True), ({"progressive": True}, False)])
def test_a_jpeg_is_sequential_if_one_scan_has_all_colours(options: dict[str, bool], expected: bool) -> None:
    picture = Image.effect_noise((300, 200), 40).convert("RGB")
    file = io.BytesIO()
    picture.save(file, "JPEG", **options)
    assert is_sequential_jpeg(file.getvalue()) is expected


def test_a_jpeg_whose_scan_lacks_a_colour_is_not_sequential() -> None:
    at = JPEG.rindex(b"\xff\xda") + 4
    assert is_sequential_jpeg(JPEG)
    assert not is_sequential_jpeg(JPEG[:at] + b"\1" + JPEG[at + 1 :])
    assert not is_sequential_jpeg(JPEG[:10])
