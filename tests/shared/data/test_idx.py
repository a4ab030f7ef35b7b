import struct

import pytest

from shared.data import idx


def header(*shape: int, element_type: int = 0x08) -> bytes:
    return struct.pack(f">HBB{len(shape)}I", 0, element_type, len(shape), *shape)


@pytest.mark.parametrize("shape", [(60000,), (3, 5), (10000, 28, 28), (2, 28, 28, 1)])
def test_the_header_gives_the_shape_and_its_own_length(shape: tuple[int, ...]) -> None:
    assert idx.parse_header(header(*shape)) == (shape, 4 + 4 * len(shape))


def test_bytes_after_the_header_are_ignored() -> None:
    assert idx.parse_header(header(7) + b"\xff" * 100) == ((7,), 8)


def test_the_longest_header_has_max_header_bytes() -> None:
    longest = header(*range(1, idx.MAX_RANK + 1))
    assert len(longest) == idx.MAX_HEADER_BYTES
    assert idx.parse_header(longest)[1] == idx.MAX_HEADER_BYTES


@pytest.mark.parametrize("length", [0, 1, 3, 4, 7, 15])
def test_a_header_cut_short_is_called_truncated(length: int) -> None:
    with pytest.raises(ValueError, match=f"truncated IDX header: {length} bytes"):
        idx.parse_header(header(10, 28, 28)[:length])


def test_a_png_file_has_a_bad_magic_number() -> None:
    with pytest.raises(ValueError, match="bad IDX magic number 89504e47"):
        idx.parse_header(b"\x89PNG\r\n\x1a\n")


def test_elements_other_than_uint8_are_refused() -> None:
    with pytest.raises(ValueError, match="type 0x0d: only uint8"):
        idx.parse_header(header(10, element_type=0x0D))


@pytest.mark.parametrize("rank", [0, 5, 255])
def test_a_rank_outside_one_to_four_is_refused(rank: int) -> None:
    with pytest.raises(ValueError, match=f"IDX rank {rank}"):
        idx.parse_header(bytes((0, 0, 8, rank)) + bytes(4 * rank))


def test_a_whole_file_gives_its_elements_without_copying() -> None:
    content = header(2, 3) + bytes(range(6))
    shape, elements = idx.parse(content)
    assert shape == (2, 3)
    assert elements == bytes(range(6))
    assert elements.obj is content


@pytest.mark.parametrize("found", [0, 5, 7])
def test_elements_that_do_not_fill_the_shape_exactly_are_refused(found: int) -> None:
    with pytest.raises(ValueError, match=f"needs 6 bytes, found {found}"):
        idx.parse(header(2, 3) + bytes(found))
