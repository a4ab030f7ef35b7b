"""The request bodies of images."""

import base64
import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mnistified.uploads.bodies import body_of
from mnistified.uploads.images import image_file
from mnistified.uploads.ndjson import MAX_BYTES
from mnistified.uploads.npy import FLOAT32, UINT8, npy_header
from mnistified.uploads.png import read_png, write_png
from mnistified.uploads.tars import tar_bytes


def content(images: Any) -> bytes:
    body = body_of(images)
    sent = b"".join(body.chunks())
    assert sent == b"".join(body.chunks()), "a retry sends the same"
    assert body.size_bytes in (None, len(sent))
    if body.spool:
        body.spool.close()
    return sent


@pytest.mark.parametrize("shape", [(3, 28, 28), (3, 28, 28, 1), (3, 784)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_become_a_npy_file_that_numpy_reads(shape: tuple[int, ...], order: Any) -> None:
    array = np.asarray(np.random.default_rng(1).integers(0, 256, shape, np.uint8), order=order)
    assert np.array_equal(np.load(io.BytesIO(content(array))), array.reshape(3, 28, 28))


def test_a_list_of_arrays_is_an_array() -> None:
    arrays = [np.full((28, 28), value, np.uint8) for value in range(5)]
    assert np.array_equal(np.load(io.BytesIO(content(arrays))), np.stack(arrays))


@pytest.mark.parametrize("count", [0, 1, 10**6])
def test_numpy_reads_the_npy_header(count: int) -> None:
    for dtype in (UINT8, FLOAT32):
        file = io.BytesIO()
        np.lib.format.write_array_header_1_0(file, {"descr": dtype, "fortran_order": False, "shape": (count, 28, 28)})
        assert np.lib.format.read_magic(io.BytesIO(npy_header((count, 28, 28), dtype))) == (1, 0)
        header = io.BytesIO(npy_header((count, 28, 28), dtype)[8:])
        assert np.lib.format.read_array_header_1_0(header) == ((count, 28, 28), False, np.dtype(dtype))


def test_small_files_become_lines_of_the_announced_size(tmp_path: Path) -> None:
    names = ["a.png", 'quoted ".png', "\udcff.png", "ü.png"]
    for number, name in enumerate(names):
        (tmp_path / name).write_bytes(b"x" * number + b"y" * (MAX_BYTES - 3))
    lines = [json.loads(line) for line in content(tmp_path).splitlines()]
    assert [line["name"] for line in lines] == ["a.png", 'quoted ".png', "ü.png", "\ufffd.png"]
    images = {line["name"]: base64.b64decode(line["image"]) for line in lines}
    assert images["ü.png"] == b"xxx" + b"y" * (MAX_BYTES - 3)


def test_larger_files_become_a_tar_of_the_announced_size(tmp_path: Path) -> None:
    names = ["a.png", "ü.png", "n" * 99 + ".png", "é" * 60 + ".png"]
    for number, name in enumerate(names):
        (tmp_path / name).write_bytes(b"x" * (number * 1513))
    with tarfile.open(fileobj=io.BytesIO(content(tmp_path))) as archive:
        members = {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]
    assert list(members) == sorted(names)
    assert members == {name: b"x" * (number * 1513) for number, name in enumerate(names)}


def test_the_size_of_a_tar_is_calculated(tmp_path: Path) -> None:
    assert tar_bytes([]) == 1024
    assert tar_bytes([("7.png", 1), ("8.png", 512)]) == 1024 + 4 * 512


def test_an_archive_is_sent_unchanged(tmp_path: Path) -> None:
    for head in (b"PK\x03\x04", b"\x93NUMPY", b"\x00\x00\x08\x03", b"\x1f\x8b", b'{"image": ""}\n'):
        file = tmp_path / "archive"
        file.write_bytes(head + b"and more")
        assert content(file) == head + b"and more"


def test_a_file_that_changes_during_the_upload_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "7.png"
    file.write_bytes(b"before")
    body = body_of([file])
    file.write_bytes(b"afterwards")
    with pytest.raises(ValueError, match=r"7\.png had 6 bytes and changed"):
        list(body.chunks())


def test_a_large_array_on_disk_is_never_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "large.npy"
    np.lib.format.open_memmap(path, "w+", np.uint8, (20_000, 28, 28)).flush()
    chunks = list(map(len, body_of(np.load(path, mmap_mode="r")).chunks()))
    assert max(chunks) <= 1 << 19
    assert sum(chunks) == os.path.getsize(path)


@pytest.mark.parametrize(
    ("images", "error", "reason"),
    [
        (np.zeros((2, 27, 28), np.uint8), ValueError, r"\[N,28,28\], got shape \[2, 27, 28\]"),
        (np.full((2, 28, 28), 3e5), ValueError, "range from 300000 to 300000, whose meaning is not certain"),
        (np.array([["a"]]), ValueError, "expected an array of numbers, got <U1"),
        (np.zeros((28, 28), np.uint8), ValueError, r"got shape \[28, 28\]: pass \[image\] for one"),
        (np.zeros((0, 28, 28), np.uint8), ValueError, "got shape"),
        ([], ValueError, "at least one image"),
        ([1], ValueError, r"got shape \[1\]"),
        (b"one", TypeError, "got bytes"),
        (7, TypeError, "got int"),
        ("nosuch.zip", FileNotFoundError, r"nosuch\.zip"),
        (io.StringIO("text"), TypeError, "binary mode"),
    ],
)
def test_invalid_images_are_refused_before_the_upload(images: Any, error: type[Exception], reason: str) -> None:
    with pytest.raises(error, match=reason):
        list(body_of(images).chunks())


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(ValueError, match=r"no file in this folder has the suffix \.png"):
        body_of(tmp_path)


def test_an_archive_with_other_sources_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04")
    with pytest.raises(ValueError, match=r"a\.zip is an archive"):
        body_of([tmp_path / "a.zip", tmp_path])


def test_a_png_is_written_and_read_like_with_pillow() -> None:
    rows, columns = np.mgrid[0:28, 0:28]
    noise = np.random.default_rng(2).integers(0, 256, (28, 28), np.uint8)
    for array in (noise, (rows * 3 + columns * 4).astype(np.uint8)):
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(write_png(array.tobytes(), 28, 28)))), array)
        file = io.BytesIO()
        Image.fromarray(array).save(file, "PNG")  # with the filters that Pillow chooses
        assert read_png(file.getvalue()) == (array.tobytes(), 28, 28)


def test_an_image_with_a_wrong_shape_or_type_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\[28,28\], got shape \[28, 27\]"):
        image_file(np.zeros((28, 27), np.uint8))
    with pytest.raises(TypeError, match="got NoneType"):
        image_file(None)


def test_arrays_that_the_service_resizes_are_sent_as_files() -> None:
    for shape in ((3, 50, 70, 3), (3, 50, 70)):
        images = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
        with tarfile.open(
            fileobj=io.BytesIO(b"".join(body_of(images, any_model=True, resized=True).chunks()))
        ) as files:
            opened = [np.asarray(Image.open(files.extractfile(member) or io.BytesIO())) for member in files]
        assert np.array_equal(np.stack(opened), images)
