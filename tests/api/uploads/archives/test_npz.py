import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from api.uploads.chunk import Chunk
from shared.errors import BadUpload, TooLarge
from tests.api.uploads.test_arrays import IMAGES
from tests.api.uploads.test_uploads import LIMITS, read

LABELS = np.arange(10)


def npz(packed: bool = False, **arrays: Any) -> bytes:
    file = io.BytesIO()
    (np.savez_compressed if packed else np.savez)(file, **arrays)
    return file.getvalue()


def pixels(chunks: list[Chunk]) -> bytes:
    return b"".join(chunk.pixels for chunk in chunks)


@pytest.mark.parametrize("packed", [False, True])
def test_the_only_array_of_images_is_read(packed: bool) -> None:
    assert pixels(read(npz(packed, images=IMAGES, labels=LABELS))) == IMAGES.tobytes()
    assert pixels(read(npz(packed, x=IMAGES / 255), "application/zip")) == IMAGES.tobytes()


def test_the_arrays_are_named_if_none_or_several_hold_images() -> None:
    with pytest.raises(BadUpload, match=r"several arrays of images: x_test uint8\[10, 28, 28\], x_train"):
        read(npz(x_test=IMAGES, x_train=IMAGES, y_test=LABELS))
    with pytest.raises(BadUpload, match=r"no array of images: labels int64\[10\]; send one of them with numpy.save"):
        read(npz(labels=LABELS))


def test_limits_hold_for_arrays_in_an_archive() -> None:
    with pytest.raises(TooLarge, match="at most 20 images"):
        read(npz(x=np.tile(IMAGES, (3, 1, 1))), limits=replace(LIMITS, job_images=20))
    with pytest.raises(BadUpload, match="has 40 arrays"):
        read(npz(False, **{f"x{number}": LABELS for number in range(40)}))


def test_objects_are_never_unpickled() -> None:
    with pytest.raises(BadUpload, match="expected an array of numbers"):
        read(npz(x=np.array([{}], object)))
