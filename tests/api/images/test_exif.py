"""Pictures that were turned, and tags that would take seconds to read."""

import time

import numpy as np
import pytest
from PIL import Image, ImageOps

from api.images.decode import decode_image
from api.images.exif import TRANSPOSITIONS, upright
from tools.fuzz.corpus_costly import pictures_with_exif

GRADIENT = np.asarray(Image.linear_gradient("L").resize((28, 28)))
FILES = list(pictures_with_exif())


@pytest.mark.parametrize(("name", "data"), FILES, ids=[name for name, _ in FILES])
def test_tags_of_millions_of_numbers_cost_little_and_the_picture_is_still_turned(name: str, data: bytes) -> None:
    started_s = time.thread_time()
    pixels = np.frombuffer(decode_image(data), np.uint8).reshape(28, 28)
    assert time.thread_time() - started_s < 1.0
    expected = np.rot90(GRADIENT, -1)
    assert np.abs(pixels.astype(int) - expected).max() <= (3 if name.startswith("JPEG") else 0)


@pytest.mark.parametrize("orientation", [*TRANSPOSITIONS, 1, 0, 9])
def test_a_picture_is_turned_as_pillow_turns_it(orientation: int) -> None:
    image = Image.fromarray(np.arange(6, dtype=np.uint8).reshape(2, 3))
    image.getexif()[0x0112] = orientation
    assert upright(image, orientation).tobytes() == ImageOps.exif_transpose(image).tobytes()
