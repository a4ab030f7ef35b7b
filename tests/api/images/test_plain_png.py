import zlib
from unittest import mock

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from api.images.decode import decode_image
from api.images.plain_png import plain_pixels
from shared.errors import BadImage
from tests.api.images.test_decode import DIGIT, FILES, PIXELS
from tests.support.thoroughness import examples
from tests.support.uploads import image_file
from tools.fuzz.corpus_images import png as png_of
from tools.fuzz.corpus_images import png_chunk

Bytes = npt.NDArray[np.uint8]

PLAIN = image_file(DIGIT)
ROWS = arrays(np.uint8, (28, 29), elements=st.integers(0, 255))


def file_with_data(data: bytes) -> bytes:
    """Return PLAIN with other data in its IDAT."""
    return b"".join([PLAIN[:33], png_chunk(b"IDAT", data), PLAIN[-12:]])


def read_by_pillow(data: bytes) -> bytes:
    """Call `decode_image` without the fast path, also for images without contrast."""
    with (
        mock.patch("api.images.decode.plain_pixels", return_value=None),
        mock.patch("api.images.decode.require_contrast"),
    ):
        return decode_image(data)


def test_a_file_as_pillow_writes_it_is_plain() -> None:
    assert plain_pixels(PLAIN) == PIXELS.tobytes()


@settings(max_examples=examples(200), deadline=None, database=None)
@given(ROWS, arrays(np.uint8, 28, elements=st.integers(0, 4)), st.integers(0, 9))
def test_all_filters_and_levels_are_read_as_pillow_reads_them(rows: Bytes, filters: Bytes, level: int) -> None:
    rows[:, 0] = filters
    data = file_with_data(zlib.compress(rows.tobytes(), level))
    assert plain_pixels(data) == read_by_pillow(data)


@pytest.mark.parametrize("name", sorted(set(FILES) - {"PNG"}))
def test_other_files_are_left_to_pillow(name: str) -> None:
    assert plain_pixels(FILES[name]) is None


@pytest.mark.parametrize(
    "data",
    [
        image_file(DIGIT.resize((29, 28))),
        image_file(DIGIT.convert("RGB")),
        image_file(DIGIT, "PNG", transparency=0),
        png_of(png_chunk(b"tEXt", b"a\0b")),
        PLAIN[:45],
        PLAIN[:33] + PLAIN[-12:],
        b"",
    ],
    ids=["wide", "colours", "transparency", "text", "cut", "no data", "empty"],
)
def test_other_pixel_formats_and_chunks_are_left_to_pillow(data: bytes) -> None:
    assert plain_pixels(data) is None


@pytest.mark.parametrize(
    "data",
    [
        PLAIN[:50] + b"\xff" + PLAIN[51:],
        file_with_data(b"no deflated data"),
        file_with_data(zlib.compress(bytes(29 * 27 + 5))),
        file_with_data(zlib.compress(b"\x09" * 29 * 28)),
    ],
    ids=["checksum", "deflate", "a row cut", "no such filter"],
)
def test_a_damaged_file_is_left_to_pillow_for_its_reason(data: bytes) -> None:
    assert plain_pixels(data) is None
    with pytest.raises(BadImage, match="damaged or truncated"):
        decode_image(data)
