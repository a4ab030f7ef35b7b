"""Image files on disk as one body: an archive as it is, anything else put together while it is sent."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from mnistified.http.exchange import Body
from mnistified.uploads.ndjson import MAX_BYTES, NDJSON_TYPE, line_bytes, line_pieces
from mnistified.uploads.pieces import file_pieces, joined
from mnistified.uploads.tars import TAR_TYPE, tar_bytes, tar_pieces

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".tif", ".tiff", ".bmp", ".webp")
MAX_PICTURE_BYTES = 64 << 20  # held in memory one at a time; what is larger is no picture of a digit
ARCHIVE_HEAD = re.compile(rb"PK\x03\x04|PK\x05\x06|\x93NUMPY|\x00\x00\x08|\x1f\x8b|\s*[{\"]|.{257}ustar", re.DOTALL)
HEAD_BYTES = 512

StrPath: TypeAlias = str | os.PathLike[str]


def body_of_paths(paths: Sequence[StrPath]) -> Body:
    """Files go by the path that they were given by, those of a folder by their path within it, in order.

    Raises ValueError for a folder without pictures, or an archive beside others, OSError for what is not there.
    """
    if len(paths) == 1 and is_archive(paths[0]):
        lone = os.fspath(paths[0])
        return Body(lambda: file_pieces(lone), size_bytes=os.path.getsize(lone))
    members: list[tuple[str, str]] = []
    for path in paths:
        if is_archive(path):
            raise ValueError(f"{os.fspath(path)} is an archive or an array: these are sent one at a time")
        members += folder_members(path) if os.path.isdir(path) else [(os.fspath(path), os.fspath(path))]
    sizes = [os.path.getsize(path) for _, path in members]
    named = [(name, size) for (name, _), size in zip(members, sizes, strict=True)]
    if max(sizes) <= MAX_BYTES:
        return Body(lambda: joined(line_pieces(_contents(members, sizes))), NDJSON_TYPE, line_bytes(named))
    return Body(lambda: joined(tar_pieces(_contents(members, sizes))), TAR_TYPE, tar_bytes(named))


def folder_members(folder: StrPath) -> list[tuple[str, str]]:
    """(path within `folder`, path) of every picture in it and in its folders, sorted; nothing that is hidden.

    Raises ValueError where there is none.
    """
    top = os.fspath(folder)
    members: list[tuple[str, str]] = []
    for parent, folders, names in os.walk(top):
        folders[:] = [name for name in folders if not name.startswith(".")]
        within = os.path.relpath(parent, top).replace(os.sep, "/") + "/" if parent != top else ""
        members += [
            (within + name, os.path.join(parent, name))
            for name in names
            if name.lower().endswith(PICTURE_SUFFIXES) and not name.startswith(".")
        ]
    if not members:
        raise ValueError(f"{top}: no file in this folder ends in {', '.join(PICTURE_SUFFIXES)}")
    return sorted(members)


def is_archive(path: StrPath) -> bool:
    """Many images in one file: zip, tar, `.npy`, IDX, NDJSON, or something gzipped."""
    if os.path.isdir(path):
        return False
    with Path(path).open("rb") as file:
        head = file.read(HEAD_BYTES)
    return ARCHIVE_HEAD.match(head) is not None


def _contents(members: Sequence[tuple[str, str]], sizes: Sequence[int]) -> Iterator[tuple[str, bytes]]:
    for (name, path), size_bytes in zip(members, sizes, strict=True):
        if size_bytes > MAX_PICTURE_BYTES:
            raise ValueError(f"{path} has {size_bytes} bytes: no image file")
        with open(path, "rb", buffering=0) as file:
            content = file.read(size_bytes + 1)
        if len(content) != size_bytes:
            raise ValueError(f"{path} had {size_bytes} bytes and has changed while it was sent")
        yield name, content
