import gzip
from dataclasses import replace

import numpy as np
import pytest

from api.uploads.ratio import FREE_BYTES, Unpacked
from shared.errors import TooLarge
from tests.api.uploads.test_uploads import LIMITS, read
from tests.support.uploads import npy, zipped

LARGE = replace(LIMITS, upload_bytes=1 << 30, job_images=10**6, image_bytes=1 << 20)


def test_a_small_upload_may_unpack_at_any_ratio() -> None:
    bound = Unpacked(1 << 30, 200)
    bound.add(FREE_BYTES, 1)
    with pytest.raises(TooLarge, match="unpacks to more than 200 times its size"):
        bound.add(1, 1)


def test_a_large_upload_is_limited_by_the_ratio_and_by_its_size() -> None:
    bound = Unpacked(40 << 20, 200)
    bound.add(20 << 20, 1 << 20)
    with pytest.raises(TooLarge, match="larger than 41943040 bytes"):
        bound.add(21 << 20, 1 << 20)


def test_gzipped_blank_images_pass_while_they_are_few() -> None:
    count = FREE_BYTES // 784 - 1
    chunks = read(gzip.compress(npy(np.zeros((count, 28, 28), np.uint8))), limits=LARGE)
    assert sum(chunk.count for chunk in chunks) == count


def test_gzip_beyond_the_ratio_is_refused() -> None:
    with pytest.raises(TooLarge, match="unpacks to more than 200 times its size"):
        read(gzip.compress(npy(np.zeros((40_000, 28, 28), np.uint8))), limits=LARGE)


def test_zip_members_are_summed() -> None:
    body = zipped((f"{number}.png", bytes(1 << 20)) for number in range(20))
    with pytest.raises(TooLarge, match="unpacks to more than 200 times its size"):
        read(body, limits=LARGE)
    assert sum(chunk.count for chunk in read(body, limits=replace(LARGE, unpack_ratio=2000))) == 20
