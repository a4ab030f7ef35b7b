"""The inputs of every system."""

import io
import zipfile

import numpy as np
from PIL import Image

from benchmarks.load.inputs import idx_of, to_png, to_zip
from shared.data.idx import parse
from shared.data.sample import draw
from shared.images import images_from_pixels


def test_an_upload_has_the_images_over_and_over() -> None:
    images, _ = draw("test")
    shape, elements = parse(idx_of(images, len(images) + 3))
    assert shape == (len(images) + 3, 28, 28)
    assert (images_from_pixels(elements)[-3:] == images[:3]).all()


def test_a_png_shows_the_image_exactly() -> None:
    images, _ = draw("test")
    with Image.open(io.BytesIO(to_png(images[0]))) as picture:
        assert (np.asarray(picture) == images[0]).all()


def test_an_archive_has_the_files_in_order() -> None:
    with zipfile.ZipFile(io.BytesIO(to_zip([b"a", b"b"]))) as archive:
        assert [archive.read(name) for name in archive.namelist()] == [b"a", b"b"]
