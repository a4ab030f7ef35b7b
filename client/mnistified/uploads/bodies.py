"""Many images, in whichever form a caller has them, as one body that streams and can be sent again."""

import io
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import IO, Any, TypeAlias

from mnistified.http.exchange import Body
from mnistified.uploads.files import body_of_paths
from mnistified.uploads.images import SIDE, Picture, PilImage, array_view, image_file
from mnistified.uploads.npy import NPY_TYPE, UINT8, npy_header
from mnistified.uploads.pieces import PIECE_BYTES, joined, opened_pieces, spooled
from mnistified.uploads.tars import TAR_TYPE, tar_pieces

ROW_SHAPES = ((SIDE, SIDE), (SIDE, SIDE, 1), (SIDE * SIDE,))  # of an array's axes after the first

# An array of uint8[N,28,28], a folder, an archive's path, an open archive, or any iterable of pictures.
Pictures: TypeAlias = Any


def body_of(images: Pictures, any_size: bool = False) -> Body:
    """What to send for `images`; where `any_size` will do, arrays may be uint8[N,H,W].

    Nothing large is held: an iterator, or a pipe, is put on disk first.
    Raises TypeError or ValueError for what are no images, OSError for what cannot be read.
    """
    if isinstance(images, str | os.PathLike):
        return body_of_paths([images])
    if hasattr(images, "read"):
        return _opened(images)
    array = array_view(images)
    if array is not None and any_size and array.ndim == 3 and (array.shape or ())[1:] != (SIDE, SIDE):
        return _sequence(list(images), any_size)
    if array is not None:
        return _array(images, array)
    if isinstance(images, PilImage | bytes | bytearray) or not isinstance(images, Iterable):
        raise TypeError(f"expected many images, got {type(images).__name__}; [image] for one")
    if isinstance(images, Sequence):
        return _sequence(images, any_size)
    return _spooled(tar_pieces(_members(images, any_size)), TAR_TYPE)


def _sequence(images: Sequence[Picture], any_size: bool) -> Body:
    """Paths as the files that they are, arrays as one array, others as a tar."""
    if not images:
        raise ValueError("no images")
    if all(isinstance(image, str | os.PathLike) for image in images):
        return body_of_paths(images)
    views = [array_view(image) for image in images]
    arrays = [view for view in views if view is not None and view.shape == (SIDE, SIDE)]
    if len(arrays) == len(images):
        return _rows(len(arrays), lambda: (array.tobytes() for array in arrays))
    if any(hasattr(image, "read") for image in images):
        return _spooled(tar_pieces(_members(images, any_size)), TAR_TYPE)  # an open file is read once
    return Body(lambda: joined(tar_pieces(_members(images, any_size))), TAR_TYPE)


def _array(images: Any, view: memoryview) -> Body:
    shape = view.shape or ()
    if shape[1:] not in ROW_SHAPES or not shape[0]:
        raise ValueError(f"expected images of uint8[N,{SIDE},{SIDE}], got shape {list(shape)}")
    if not view.c_contiguous:
        return _rows(shape[0], lambda: (memoryview(row).tobytes() for row in images))
    flat = view.cast("B")
    return _rows(shape[0], lambda: (flat[at : at + PIECE_BYTES].tobytes() for at in range(0, len(flat), PIECE_BYTES)))


def _rows(count: int, pixels: Callable[[], Iterable[bytes]]) -> Body:
    header = npy_header((count, SIDE, SIDE), UINT8)
    return Body(lambda: joined(itertools.chain([header], pixels())), NPY_TYPE, len(header) + count * SIDE * SIDE)


def _opened(file: IO[bytes]) -> Body:
    """An archive or array that is open: sent from where it stands, as often as it takes."""
    if isinstance(file, io.TextIOBase):
        raise TypeError("expected a file opened in binary mode, got one of text")
    if not file.seekable():
        return _spooled(iter(lambda: file.read(PIECE_BYTES), b""))
    start = file.tell()
    size_bytes = file.seek(0, io.SEEK_END) - start
    return Body(lambda: opened_pieces(file, start), size_bytes=size_bytes)


def _spooled(pieces: Iterable[bytes], content_type: str = "application/octet-stream") -> Body:
    file, size_bytes = spooled(pieces)
    return Body(lambda: opened_pieces(file, 0), content_type, size_bytes, file)


def _members(images: Iterable[Picture], any_size: bool) -> Iterator[tuple[str, bytes]]:
    """Named by their path where they have one, else by their number."""
    for index, image in enumerate(images):
        name = os.fspath(image) if isinstance(image, str | os.PathLike) else f"{index}"
        yield name, image_file(image, any_size)
