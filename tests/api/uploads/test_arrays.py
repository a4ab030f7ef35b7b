import gzip
import io
import struct
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import pytest

from api.uploads.arrays import count_of_shape, idx_chunks, npy_chunks, without_faint_images
from api.uploads.chunk import Chunk
from shared.errors import BadUpload, TooLarge
from shared.images import Images
from tests.api.uploads.test_body import SIZES, body_of, collect
from tests.support.uploads import idx, npy

IMAGES: Images = np.random.default_rng(1).integers(0, 256, (10, 28, 28), np.uint8)


def npy_with_header(header: str, data: bytes = b"", header_bytes: int | None = None) -> bytes:
    """Return a file of version 1 with this header. The prefix may declare another length."""
    length = len(header) if header_bytes is None else header_bytes
    return b"\x93NUMPY\x01\0" + struct.pack("<H", length) + header.encode("latin-1") + data


def npy_of_shape(shape: str) -> bytes:
    return npy_with_header(f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}}}\n")


def read_npy(data: bytes, size: int = 65536, max_images: int = 1000) -> list[Chunk]:
    return collect(npy_chunks(body_of(data, size), 4, max_images))


def read_idx(data: bytes, size: int = 65536, max_images: int = 1000) -> list[Chunk]:
    return collect(idx_chunks(body_of(data, size), 4, max_images))


EXPECTED = [Chunk(IMAGES[start : start + 4].tobytes(), len(IMAGES[start : start + 4])) for start in (0, 4, 8)]
WAYS = pytest.mark.parametrize(("write", "read"), [(npy, read_npy), (idx, read_idx)], ids=["npy", "idx"])


@WAYS
@pytest.mark.parametrize("size", SIZES)
def test_an_array_comes_in_chunks_in_its_order(
    write: Callable[[Images], bytes], read: Callable[..., list[Chunk]], size: int
) -> None:
    assert read(write(IMAGES), size) == EXPECTED


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_every_version_of_npy_is_read(version: tuple[int, int]) -> None:
    assert read_npy(npy(IMAGES, version)) == EXPECTED


@WAYS
@pytest.mark.parametrize("shape", [(10, 28, 28), (10, 28, 28, 1), (10, 784)])
def test_a_stack_of_images_may_have_any_of_these_shapes(
    write: Callable[[Images], bytes], read: Callable[..., list[Chunk]], shape: tuple[int, ...]
) -> None:
    assert read(write(IMAGES.reshape(shape))) == EXPECTED


@pytest.mark.parametrize(("shape", "count"), [((28, 28), 1), ((28, 28, 28), 28), ((28, 784), 28), ((1, 28, 28, 1), 1)])
def test_the_number_of_images_follows_from_the_shape(shape: tuple[int, ...], count: int) -> None:
    assert count_of_shape(shape) == count


@pytest.mark.parametrize(
    "shape", [(), (784,), (7840,), (10,), (10, 28), (10, 28, 27), (28, 28, 10), (10, 1, 28, 28), (10, 28, 28, 3)]
)
def test_any_other_shape_is_refused_and_reported(shape: tuple[int, ...]) -> None:
    with pytest.raises(BadUpload) as refused:
        count_of_shape(shape)
    assert refused.value.detail == f"expected an array of uint8[N,28,28], got shape {list(shape)}"


@pytest.mark.parametrize("count", [0, -1, -(2**40)])
def test_an_array_without_images_is_refused(count: int) -> None:
    with pytest.raises(BadUpload, match="the array has no images"):
        read_npy(npy_of_shape(f"({count}, 28, 28)"))


@WAYS
def test_the_header_alone_is_enough_to_refuse_too_many_images(
    write: Callable[[Images], bytes], read: Callable[..., list[Chunk]]
) -> None:
    assert len(read(write(IMAGES), max_images=10)) == 3
    with pytest.raises(TooLarge, match="at most 9 images"):
        read(write(IMAGES)[:-7000], max_images=9)


@WAYS
@pytest.mark.parametrize(("missing", "whole"), [(1, 9), (784, 9), (785, 8), (7839, 0), (7840, 0)])
def test_an_array_cut_short_is_refused_after_the_whole_chunks(
    write: Callable[[Images], bytes], read: Callable[..., list[Chunk]], missing: int, whole: int
) -> None:
    with pytest.raises(BadUpload, match=f"the header declares 10 images, but the data ends after {whole}"):
        read(write(IMAGES)[:-missing])


@WAYS
def test_data_after_the_images_is_refused(write: Callable[[Images], bytes], read: Callable[..., list[Chunk]]) -> None:
    with pytest.raises(BadUpload, match="there is data after the 10 images that the header declares"):
        read(write(IMAGES) + b"\0")


NUMBERS: dict[str, np.ndarray] = {
    "int64": IMAGES.astype(np.int64),
    "uint16, 10 bits": IMAGES.astype(np.uint16) * 4,
    "int16, big-endian": IMAGES.astype(">i2"),
    "float64, 0 to 255": IMAGES.astype(np.float64),
    "float32, 0 to 1": IMAGES / np.float32(255),
    "float64, -1 to 1": IMAGES / 127.5 - 1,
    "float32, MNIST's mean and deviation": ((IMAGES / 255 - 0.1307) / 0.3081).astype(np.float32),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_an_array_of_numbers_is_read_if_their_range_is_certain(name: str) -> None:
    pixels = b"".join(chunk.pixels for chunk in read_npy(npy(NUMBERS[name])))
    assert np.abs(np.frombuffer(pixels, np.uint8).astype(int) - IMAGES.ravel()).max() <= 1


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float16", "float64"])
def test_an_array_of_0_and_1_is_black_and_white(dtype: str) -> None:
    chunks = read_npy(npy((IMAGES > 127).astype(dtype)))
    assert b"".join(chunk.pixels for chunk in chunks) == np.where(IMAGES > 127, 255, 0).astype(np.uint8).tobytes()


@pytest.mark.parametrize(
    ("images", "reason"),
    [
        (IMAGES.astype(np.int64) - 100, "the values range from -100 to 155, whose meaning is not certain"),
        (IMAGES * 1e9, "the values range from 0 to 2.55e"),
        (np.where(IMAGES > 9, np.nan, 0), "not a number"),
        (np.where(np.arange(10)[:, None, None] < 6, IMAGES > 127, IMAGES), "from image 4 on range from 0 to 255, but"),
    ],
)
def test_a_range_that_is_not_certain_is_refused_and_named(images: np.ndarray, reason: str) -> None:
    with pytest.raises(BadUpload, match=reason):
        read_npy(npy(images))


SMALL = np.random.default_rng(1).integers(0, 256, (10, 6, 5, 3), np.uint8)


def read_small(images: np.ndarray) -> bytes:
    chunks = npy_chunks(body_of(npy(images), 65536), 4, 100, (6, 5, 3))
    return b"".join(chunk.pixels for chunk in collect(chunks))


@pytest.mark.parametrize("dtype", ["uint8", "int64"])
def test_pictures_that_are_nearly_black_stay_so_for_other_models_than_those_of_digits(dtype: str) -> None:
    dark = SMALL % 2
    assert read_small(dark.astype(dtype)) == dark.tobytes()


def test_pictures_for_other_models_are_read_from_the_usual_ranges() -> None:
    for images in (
        SMALL,
        SMALL.astype(np.int32),
        SMALL.astype(float),
        SMALL / 255,
        SMALL / 127.5 - 1,
        SMALL / 255 - 0.5,
    ):
        pixels = np.frombuffer(read_small(images), np.uint8).astype(int)
        assert np.abs(pixels - SMALL.ravel()).max() <= 1
    assert read_small(SMALL > 127) == np.where(SMALL > 127, 255, 0).astype(np.uint8).tobytes()


def test_pictures_that_were_normalised_for_training_are_refused() -> None:
    normalised = (SMALL / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    with pytest.raises(BadUpload, match=r"the values range from -2\.1\d* to 2\.5\d*: send pixels from 0 to 255"):
        read_small(normalised)
    with pytest.raises(BadUpload, match="not a number"):
        read_small(np.where(SMALL > 9, np.nan, 0))


@WAYS
def test_images_without_contrast_fail_alone(write: Callable[[Images], bytes], read: Callable[..., list[Chunk]]) -> None:
    images = IMAGES.copy()
    images[1], images[6] = 0, 200

    async def all_of(chunks: list[Chunk]) -> AsyncIterator[Chunk]:
        for chunk in chunks:
            yield chunk

    chunks = collect(without_faint_images(all_of(read(write(images)))))
    assert [list(chunk.errors) for chunk in chunks] == [[1], [2], []]
    assert "from 200 to 200 of 255" in chunks[1].errors[2]
    assert chunks[0].pixels == images[[0, 2, 3]].tobytes()
    assert [chunk.count for chunk in chunks] == [4, 4, 2]


@pytest.mark.parametrize("dtype", ["S1", "complex64", "M8[s]", "U1"])
def test_an_array_without_numbers_is_refused_and_reported(dtype: str) -> None:
    with pytest.raises(BadUpload, match=r"expected an array of numbers, such as .+, got .+\[10, 28, 28\]"):
        read_npy(npy(IMAGES.astype("i8").astype(dtype)))


def test_fields_are_refused() -> None:
    with pytest.raises(BadUpload, match=r"expected an array of numbers"):
        read_npy(npy(np.zeros((2, 28, 28), [("grey", np.uint8)])))


class Telltale:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.path,)


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    data = npy(np.full((1, 28, 28), Telltale(tmp_path / "unpickled"), dtype=object))
    with pytest.raises(BadUpload, match=r"got object\[1, 28, 28\]"):
        read_npy(data)
    assert not (tmp_path / "unpickled").exists()
    np.load(io.BytesIO(data), allow_pickle=True)
    assert (tmp_path / "unpickled").exists()


def test_fortran_order_is_refused_with_a_remedy() -> None:
    with pytest.raises(BadUpload, match=r"Fortran order; save numpy\.ascontiguousarray"):
        read_npy(npy(np.asfortranarray(IMAGES)))


@pytest.mark.parametrize(
    "header",
    [
        "",
        "no dictionary",
        "{}",
        "{'descr': '|u1', 'fortran_order': False}",
        "{'descr': '|u1', 'fortran_order': 0, 'shape': (1, 28, 28)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': [1, 28, 28]}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (1.0, 28, 28)}",
        "{'descr': 'no such type', 'fortran_order': False, 'shape': (1, 28, 28)}",
        "{'descr': 7, 'fortran_order': False, 'shape': (1, 28, 28)}",
        "{'descr': [], 'fortran_order': False, 'shape': (1, 28, 28)}",
        "{'descr': (), 'fortran_order': False, 'shape': (1, 28, 28)}",
        "{'descr': ('|u1',), 'fortran_order': False, 'shape': (1, 28, 28)}",
        "{'descr': '|u1', 'shape': __import__('os').getpid()}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 28, 28",
        "(" * 5000,
        "-" * 9000 + "1",
        "\0" * 100,
        "\xff" * 100,
        "'''",
    ],
)
def test_a_damaged_header_is_refused(header: str) -> None:
    with pytest.raises(BadUpload, match=r"damaged .npy header|expected an array of numbers"):
        read_npy(npy_with_header(header, bytes(784)))


@pytest.mark.parametrize("descr", ["|u1", "<u2"])
@pytest.mark.parametrize("sign", ["", "-"])
def test_lengths_that_python_refuses_to_print_are_refused(sign: str, descr: str) -> None:
    shape = f"({sign}0x{'f' * 9000}, 27)"
    with pytest.raises(BadUpload, match="impossible shape"):
        read_npy(npy_with_header(f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}}}"))


@pytest.mark.parametrize("length", [0, 1, 6, 7, 8, 9, 10, 11, 50])
def test_an_npy_header_cut_short_is_refused(length: int) -> None:
    with pytest.raises(BadUpload, match=r"not a .npy file|damaged .npy header"):
        read_npy(npy(IMAGES)[:length])


@pytest.mark.parametrize("magic", [b"\x93NUMPY\x00\0", b"\x93NUMPY\x04\0", b"\x93NUMPX\x01\0"])
def test_another_version_or_file_is_refused(magic: bytes) -> None:
    with pytest.raises(BadUpload, match=r"not a .npy file of version 1, 2 or 3"):
        read_npy(magic + npy(IMAGES)[8:])


def test_a_header_that_declares_a_huge_size_is_refused_at_once() -> None:
    with pytest.raises(BadUpload, match="header declares 4294967295 bytes"):
        read_npy(b"\x93NUMPY\x02\0" + b"\xff" * 4 + bytes(1000))


def test_a_wrong_header_length_is_refused() -> None:
    with pytest.raises(BadUpload, match=r"damaged .npy header"):
        read_npy(npy_with_header("{'descr': '|u1'}", header_bytes=10_000))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "truncated IDX header"),
        (idx(IMAGES)[:15], "truncated IDX header"),
        (b"\0\0\x0d\x03" + bytes(12), "only uint8"),
        (gzip.compress(idx(IMAGES)), "bad IDX magic number"),
        (idx(np.zeros(5, np.uint8)), r"got shape \[5\]"),
        (idx(np.zeros((0, 28, 28), np.uint8)), "the array has no images"),
    ],
)
def test_another_file_is_refused_as_idx_with_the_reason(data: bytes, reason: str) -> None:
    with pytest.raises(BadUpload, match=reason):
        read_idx(data)
