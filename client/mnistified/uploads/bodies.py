"""The conversion of many images to one request body, which is streamed and can be sent again."""

import io
import itertools
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import IO, Any, TypeAlias

from mnistified.http.exchange import Body
from mnistified.uploads.arrays import SIDE, direct_view, uint8_stack, uint8_view
from mnistified.uploads.chunks import CHUNK_BYTES, merge_chunks, read_chunks, spool_chunks
from mnistified.uploads.files import body_of_paths
from mnistified.uploads.images import Picture, PilImage, image_file
from mnistified.uploads.npy import NPY_TYPE, UINT8, npy_header
from mnistified.uploads.tars import TAR_TYPE, tar_chunks

ROW_SHAPES = ((SIDE, SIDE), (SIDE, SIDE, 1), (1, SIDE, SIDE), (SIDE * SIDE,))  # shapes of the elements of an array
IMAGE_SHAPES = ((SIDE, SIDE), (SIDE, SIDE, 1), (1, SIDE, SIDE))

# An array or a tensor [N,28,28], the path of a folder or an archive, an open archive, or an iterable of pictures.
Pictures: TypeAlias = Any


def body_of(images: Pictures, any_size: bool = False, any_model: bool = False, resized: bool = False) -> Body:
    """Return the body for `images`. With `any_size`, arrays may be uint8[N,H,W].

    With `any_model`, arrays may also be uint8[N,H,W,3], and are sent as they are, or as files if they are `resized`:
    the service resizes only files.
    Never holds all images in memory: iterators and pipes are copied to disk first. Raises TypeError or ValueError for
    invalid images, OSError for files that cannot be read.
    """
    if isinstance(images, str | os.PathLike):
        return body_of_paths([images], any_size)
    if hasattr(images, "read"):
        return _opened(images)
    if isinstance(images, PilImage | bytes | bytearray):
        raise TypeError(f"expected several images, got {type(images).__name__}: pass [image] for one")
    array = uint8_view(images) if not _are_paths(images) else None
    if array is not None and any_model and not any_size:
        several = resized and array.ndim >= 3
        return _sequence(list(images), any_size, any_model) if several else _array(array, any_model)
    if array is not None and any_size and array.ndim >= 3 and (array.shape or ())[1:] not in ROW_SHAPES:
        return _sequence(list(images), any_size)
    if array is not None:
        return _array(array)
    if not isinstance(images, Iterable):
        raise TypeError(f"expected several images, got {type(images).__name__}: pass [image] for one")
    if isinstance(images, Sequence):
        return _sequence(images, any_size, any_model)
    return _spooled(tar_chunks(_members(images, any_size, any_model)), TAR_TYPE)


def _are_paths(images: Any) -> bool:
    return isinstance(images, Sequence) and all(isinstance(image, str | os.PathLike) for image in images)


def _sequence(images: Sequence[Picture], any_size: bool, any_model: bool = False) -> Body:
    """Return paths as the files, arrays as one `.npy` file, and other images as a tar."""
    if not images:
        raise ValueError("expected at least one image, got an empty list")
    if _are_paths(images):
        return body_of_paths(images, any_size)
    if (stacked := _stacked(images)) is not None:
        return stacked
    if any(hasattr(image, "read") for image in images):
        return _spooled(tar_chunks(_members(images, any_size, any_model)), TAR_TYPE)  # an open file is read once
    return Body(lambda: merge_chunks(tar_chunks(_members(images, any_size, any_model))), TAR_TYPE)


def _stacked(images: Sequence[Picture]) -> Body | None:
    """Return one array for images that are all arrays of 28×28, so that one range of numbers is found for all."""
    if not all(getattr(image, "shape", None) in IMAGE_SHAPES for image in images):
        return None
    views = [direct_view(image) for image in images]
    if all(view is not None for view in views):
        return _rows(len(views), lambda: (view.tobytes() for view in views if view is not None))
    return _array(uint8_stack(images))


def _array(view: memoryview, any_model: bool = False) -> Body:
    shape = view.shape or ()
    if not all(shape) or not (shape[1:] in ROW_SHAPES or (any_model and 2 <= len(shape) <= 4)):
        one = ": pass [image] for one" if shape in IMAGE_SHAPES else ""
        raise ValueError(f"expected images of [N,{SIDE},{SIDE}], got shape {list(shape)}{one}")
    if not view.c_contiguous:
        view = memoryview(view.tobytes()).cast("B", shape)
    flat = view.cast("B")
    axes = shape[1:] if any_model else (SIDE, SIDE)
    pieces = range(0, len(flat), CHUNK_BYTES)
    return _rows(shape[0], lambda: (flat[at : at + CHUNK_BYTES].tobytes() for at in pieces), axes)


def _rows(count: int, pixels: Callable[[], Iterable[bytes]], axes: tuple[int, ...] = (SIDE, SIDE)) -> Body:
    header = npy_header((count, *axes), UINT8)
    size_bytes = len(header) + count * math.prod(axes)
    return Body(lambda: merge_chunks(itertools.chain([header], pixels())), NPY_TYPE, size_bytes)


def _opened(file: IO[bytes]) -> Body:
    """Return an open archive or array file, from its current position on."""
    if isinstance(file, io.TextIOBase):
        raise TypeError("expected a file opened in binary mode, got one in text mode")
    if not file.seekable():
        return _spooled(iter(lambda: file.read(CHUNK_BYTES), b""))
    start = file.tell()
    size_bytes = file.seek(0, io.SEEK_END) - start
    return Body(lambda: read_chunks(file, start), size_bytes=size_bytes)


def _spooled(chunks: Iterable[bytes], content_type: str = "application/octet-stream") -> Body:
    file, size_bytes = spool_chunks(chunks)
    return Body(lambda: read_chunks(file, 0), content_type, size_bytes, file)


def _members(images: Iterable[Picture], any_size: bool, any_model: bool = False) -> Iterator[tuple[str, bytes]]:
    """Yield (name, content) of each image. The name is the path, or the number of images without a path."""
    for index, image in enumerate(images):
        name = os.fspath(image) if isinstance(image, str | os.PathLike) else f"{index}"
        yield name, image_file(image, any_size, any_model)
