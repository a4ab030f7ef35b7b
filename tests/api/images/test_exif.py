"""Pictures that were turned, and tags that would take seconds to read."""

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from api.images.decode import decode_image
from api.images.exif import MAX_NUMBERS_BYTES, TRANSPOSITIONS, upright
from tools.fuzz.corpus_costly import pictures_with_exif

GRADIENT = np.asarray(Image.linear_gradient("L").resize((28, 28)))
FILES = list(pictures_with_exif())


@pytest.mark.parametrize(("name", "data"), FILES, ids=[name for name, _ in FILES])
def test_tags_of_millions_of_numbers_are_left_out_and_the_picture_is_still_turned(name: str, data: bytes) -> None:
    numbers = [value for value in Image.open(io.BytesIO(data)).getexif().values() if isinstance(value, tuple)]
    assert sum(map(len, numbers)) * 2 <= MAX_NUMBERS_BYTES
    pixels = np.frombuffer(decode_image(data), np.uint8).reshape(28, 28)
    expected = np.rot90(GRADIENT, -1)
    assert np.abs(pixels.astype(int) - expected).max() <= (3 if name.startswith("JPEG") else 0)


@pytest.mark.parametrize("orientation", [*TRANSPOSITIONS, 1, 0, 9])
def test_a_picture_is_turned_as_pillow_turns_it(orientation: int) -> None:
    image = Image.fromarray(np.arange(6, dtype=np.uint8).reshape(2, 3))
    image.getexif()[0x0112] = orientation
    assert upright(image, orientation).tobytes() == ImageOps.exif_transpose(image).tobytes()
