import io
from unittest import mock

import numpy as np
import pytest
from PIL import Image

from mnistified.uploads.images import image_file
from mnistified.uploads.photos import LARGE_BYTES, MAX_SIDE_PX, sendable
from tests.support.uploads import image_file as file_of


def noisy(width: int, height: int, **options: object) -> bytes:
    """Return a photo of more than LARGE_BYTES, dark on its left."""
    pixels = np.random.default_rng(1).integers(100, 256, (height, width), np.uint8)
    pixels[:, : width // 4] //= 8
    exif = Image.Exif()
    exif[0x0112] = 6
    return file_of(Image.fromarray(pixels), "JPEG", quality=90, exif=exif, **options)


PHOTO = noisy(2400, 1800)


def test_a_large_photo_is_sent_as_a_small_upright_jpeg() -> None:
    assert len(PHOTO) > LARGE_BYTES
    small = image_file(PHOTO, any_size=True)
    with Image.open(io.BytesIO(small)) as image:
        assert (image.format, image.size) == ("JPEG", (MAX_SIDE_PX * 3 // 4, MAX_SIDE_PX))
        grey = np.asarray(image.convert("L"))
    assert grey[:300].mean() < 50 < 100 < grey[600:].mean()  # the left of the stored picture is on top
    assert len(small) < len(PHOTO) / 2
    assert sendable(PHOTO) == small  # the same each time: a retry sends the same images


def test_other_files_are_sent_unchanged() -> None:
    assert image_file(PHOTO) == PHOTO, "without fit, the service names the size"
    for content in (b"no image" * LARGE_BYTES, b"small"):
        assert sendable(content) == content
    with mock.patch("importlib.util.find_spec", return_value=None):
        assert sendable(PHOTO) == PHOTO, "without Pillow"


@pytest.mark.parametrize("mode", ["RGBA", "I;16"])
def test_what_jpeg_cannot_hold_stays_png(mode: str) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (1400, 1800, 4), np.uint8)
    picture = Image.fromarray(noise) if mode == "RGBA" else Image.fromarray(noise[..., 0].astype(np.uint16) * 257)
    with Image.open(io.BytesIO(sendable(file_of(picture, "PNG")))) as image:
        assert (image.format, max(image.size)) == ("PNG", MAX_SIDE_PX)
