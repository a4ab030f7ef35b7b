"""The conversion of files on disk to one request body. Archives are sent unchanged, other files are packed."""

import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TypeAlias

from mnistified.http.exchange import Body
from mnistified.uploads.chunks import CHUNK_BYTES, file_chunks, merge_chunks, read_chunks, spool_chunks
from mnistified.uploads.ndjson import MAX_BYTES, NDJSON_TYPE, line_bytes, line_chunks
from mnistified.uploads.photos import LARGE_BYTES, sendable
from mnistified.uploads.tars import TAR_TYPE, tar_bytes, tar_chunks

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".gif", ".tif", ".tiff", ".bmp", ".webp")
PHONE_SUFFIXES = (".heic", ".heif", ".avif")
MAX_NAMED = 5  # skipped files that an error names
MAX_PICTURE_BYTES = 64 << 20  # each picture is read into memory; larger files are not pictures of digits
ARCHIVE_HEAD = re.compile(
    rb"PK\x03\x04|PK\x05\x06|\x93NUMPY|\x00\x00\x08|\x1f\x8b|(?:\xef\xbb\xbf)?\s*[{\"]|.{257}ustar", re.DOTALL
)
HEAD_BYTES = 512

StrPath: TypeAlias = str | os.PathLike[str]


def body_of_paths(paths: Sequence[StrPath], any_size: bool = False) -> Body:
    """Return the body for `paths`. Files are named by their path, files of a folder by their path within it.

    With `any_size`, photos are scaled down. Raises ValueError for a folder without pictures and for several sources of
    which one is an archive, OSError for missing files.
    """
    if len(paths) == 1 and not os.path.isdir(paths[0]) and not is_regular(paths[0]):  # a pipe, which is read once
        with open(paths[0], "rb") as pipe:
            file, size_bytes = spool_chunks(iter(lambda: pipe.read(CHUNK_BYTES), b""))
        return Body(lambda: read_chunks(file, 0), size_bytes=size_bytes, spool=file)
    if len(paths) == 1 and is_archive(paths[0]):
        archive = os.fspath(paths[0])
        return Body(lambda: file_chunks(archive), size_bytes=os.path.getsize(archive))
    members: list[tuple[str, str]] = []
    skipped: list[str] = []
    for path in paths:
        if os.path.isdir(path):
            found, left_out = folder_members(path)
            members += found
            skipped += left_out
        elif not is_regular(path):
            raise ValueError(f"{os.fspath(path)} is not a regular file: send it by itself")
        elif is_archive(path):
            raise ValueError(f"{os.fspath(path)} is an archive or an array: send it by itself")
        else:
            members.append((os.fspath(path), os.fspath(path)))
    sizes = [os.path.getsize(path) for _, path in members]
    named = [(name, size) for (name, _), size in zip(members, sizes, strict=True)]
    contents = partial(_contents, members, sizes)
    if max(sizes) <= MAX_BYTES:
        return Body(lambda: merge_chunks(line_chunks(contents())), NDJSON_TYPE, line_bytes(named), skipped=skipped)
    if any_size and max(sizes) > LARGE_BYTES:
        photos = partial(_scaled, contents)
        return Body(lambda: merge_chunks(tar_chunks(photos())), TAR_TYPE, skipped=skipped)
    return Body(lambda: merge_chunks(tar_chunks(contents())), TAR_TYPE, tar_bytes(named), skipped=skipped)


def is_regular(path: StrPath) -> bool:
    """Return whether the path is a file on disk, or a link to one. Raises OSError if there is nothing."""
    return stat.S_ISREG(os.stat(path).st_mode)


def folder_members(folder: StrPath) -> tuple[list[tuple[str, str]], list[str]]:
    """Return (path within `folder`, path) of its pictures, sorted, and which other files were skipped and why.

    Hidden files are left out. A linked folder is followed once. Raises ValueError if there are no pictures.
    """
    top = os.fspath(folder)
    members: list[tuple[str, str]] = []
    skipped: list[str] = []
    seen: set[tuple[int, int]] = set()
    for parent, folders, names in os.walk(top, followlinks=True, onerror=lambda error: skipped.append(_reason(error))):
        status = os.stat(parent)
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            path = os.path.join(parent, name)
            if name.startswith("."):
                continue
            if reason := _unusable(path):
                skipped.append(f"{path} ({reason})")
            else:
                members.append((os.path.relpath(path, top).replace(os.sep, "/"), path))
    if not members:
        also = f"; skipped {', '.join(skipped[:MAX_NAMED])}" if skipped else ""
        raise ValueError(f"{top}: no file in this folder has the suffix {', '.join(PICTURE_SUFFIXES)}{also}")
    return sorted(members), sorted(skipped)


def _unusable(path: str) -> str:
    """Return why a file of a folder is no picture that can be sent, or an empty string."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return "a broken link" if os.path.islink(path) else "it cannot be read"
    if not stat.S_ISREG(mode):
        return "a named pipe" if stat.S_ISFIFO(mode) else "not a regular file"
    if path.lower().endswith(PHONE_SUFFIXES):
        return "HEIC and AVIF are not supported: save it as JPEG"
    return "" if path.lower().endswith(PICTURE_SUFFIXES) else "not a picture"


def _reason(error: OSError) -> str:
    return f"{error.filename} ({error.strerror})"


def is_archive(path: StrPath) -> bool:
    """Return whether a file holds many images: a zip, tar, `.npy`, IDX, NDJSON or gzip file."""
    if os.path.isdir(path):
        return False
    with Path(path).open("rb") as file:
        head = file.read(HEAD_BYTES)
    return ARCHIVE_HEAD.match(head) is not None


def _scaled(contents: Callable[[], Iterator[tuple[str, bytes]]]) -> Iterator[tuple[str, bytes]]:
    for name, content in contents():
        yield name, sendable(content)


def _contents(members: Sequence[tuple[str, str]], sizes: Sequence[int]) -> Iterator[tuple[str, bytes]]:
    for (name, path), size_bytes in zip(members, sizes, strict=True):
        if size_bytes > MAX_PICTURE_BYTES:
            raise ValueError(f"{path} has {size_bytes} bytes, which is too large for an image file")
        with open(path, "rb", buffering=0) as file:
            content = file.read(size_bytes + 1)
        if len(content) != size_bytes:
            raise ValueError(f"{path} had {size_bytes} bytes and changed during the upload")
        yield name, content
