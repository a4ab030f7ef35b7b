"""The conversion of files on disk to one request body. Archives are sent unchanged, other files are packed."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from mnistified.http.exchange import Body
from mnistified.uploads.chunks import file_chunks, merge_chunks
from mnistified.uploads.ndjson import MAX_BYTES, NDJSON_TYPE, line_bytes, line_chunks
from mnistified.uploads.tars import TAR_TYPE, tar_bytes, tar_chunks

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".tif", ".tiff", ".bmp", ".webp")
MAX_PICTURE_BYTES = 64 << 20  # each picture is read into memory; larger files are not pictures of digits
ARCHIVE_HEAD = re.compile(rb"PK\x03\x04|PK\x05\x06|\x93NUMPY|\x00\x00\x08|\x1f\x8b|\s*[{\"]|.{257}ustar", re.DOTALL)
HEAD_BYTES = 512

StrPath: TypeAlias = str | os.PathLike[str]


def body_of_paths(paths: Sequence[StrPath]) -> Body:
    """Return the body for `paths`. Files are named by their path, files of a folder by their path within it.

    Raises ValueError for a folder without pictures and for several sources of which one is an archive, OSError for
    missing files.
    """
    if len(paths) == 1 and is_archive(paths[0]):
        archive = os.fspath(paths[0])
        return Body(lambda: file_chunks(archive), size_bytes=os.path.getsize(archive))
    members: list[tuple[str, str]] = []
    for path in paths:
        if is_archive(path):
            raise ValueError(f"{os.fspath(path)} is an archive or an array: send it by itself")
        members += folder_members(path) if os.path.isdir(path) else [(os.fspath(path), os.fspath(path))]
    sizes = [os.path.getsize(path) for _, path in members]
    named = [(name, size) for (name, _), size in zip(members, sizes, strict=True)]
    if max(sizes) <= MAX_BYTES:
        return Body(lambda: merge_chunks(line_chunks(_contents(members, sizes))), NDJSON_TYPE, line_bytes(named))
    return Body(lambda: merge_chunks(tar_chunks(_contents(members, sizes))), TAR_TYPE, tar_bytes(named))


def folder_members(folder: StrPath) -> list[tuple[str, str]]:
    """Return (path within `folder`, path) of its pictures, sorted, without hidden ones. Raises ValueError for none."""
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
        raise ValueError(f"{top}: no file in this folder has the suffix {', '.join(PICTURE_SUFFIXES)}")
    return sorted(members)


def is_archive(path: StrPath) -> bool:
    """Return whether a file holds many images: a zip, tar, `.npy`, IDX, NDJSON or gzip file."""
    if os.path.isdir(path):
        return False
    with Path(path).open("rb") as file:
        head = file.read(HEAD_BYTES)
    return ARCHIVE_HEAD.match(head) is not None


def _contents(members: Sequence[tuple[str, str]], sizes: Sequence[int]) -> Iterator[tuple[str, bytes]]:
    for (name, path), size_bytes in zip(members, sizes, strict=True):
        if size_bytes > MAX_PICTURE_BYTES:
            raise ValueError(f"{path} has {size_bytes} bytes, which is too large for an image file")
        with open(path, "rb", buffering=0) as file:
            content = file.read(size_bytes + 1)
        if len(content) != size_bytes:
            raise ValueError(f"{path} had {size_bytes} bytes and changed during the upload")
        yield name, content
