import tracemalloc
from random import Random
from urllib.parse import unquote_to_bytes

import pytest

from api.uploads.base64_image import BASE64_HEAD, SLICE_BYTES, decode_base64, percent_decoded


@pytest.mark.parametrize("start", range(5))
def test_escapes_are_decoded_as_urllib_does_wherever_a_slice_ends(start: int) -> None:
    data = b"a" * start + b"%2B%2f==%0D%0A=3D\r\n=\n %00%ff" * (3 * SLICE_BYTES // 20)
    assert percent_decoded(data) == unquote_to_bytes(data)


def test_random_bytes_are_decoded_as_urllib_does() -> None:
    random = Random(1)
    for _ in range(200):
        data = b"".join(b"%%%02X" % random.randrange(256) if random.random() < 0.5 else b"=" for _ in range(50))
        assert percent_decoded(data) == unquote_to_bytes(data)


def test_a_broken_escape_makes_base64_invalid() -> None:
    assert b"=" in percent_decoded(b"iVBOR%zz")
    with pytest.raises(ValueError, match="the text begins with"):
        decode_base64("iVBOR%zzw0KGg%")


def test_the_head_is_not_looked_for_behind_many_spaces() -> None:
    assert BASE64_HEAD.match(b"\r\n \tiVBORw0KGgo")
    assert not BASE64_HEAD.match(b" " * 101 + b"iVBORw0KGgo"), "megabytes of spaces would take a second"


def test_millions_of_escapes_take_little_memory() -> None:
    data = b"%41" * 2_600_000
    tracemalloc.start()
    assert len(percent_decoded(data)) == 2_600_000
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 2 * len(data)
