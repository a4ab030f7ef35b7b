"""Tar archives that are created chunk by chunk."""

import tarfile
from collections.abc import Iterable, Iterator

TAR_TYPE = "application/x-tar"
END = bytes(2 * tarfile.BLOCKSIZE)


def tar_chunks(members: Iterable[tuple[str, bytes]]) -> Iterator[bytes]:
    """Yield the archive of files (name, content)."""
    for name, content in members:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        yield info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
        yield content
        yield bytes(-len(content) % tarfile.BLOCKSIZE)
    yield END


def tar_bytes(sizes: Iterable[tuple[str, int]]) -> int:
    """Return the size of the archive of files (name, size in bytes)."""
    total = len(END)
    for name, size in sizes:
        total += tarfile.BLOCKSIZE + _blocks(size)
        encoded = len(name.encode("utf-8", "surrogateescape"))
        if encoded > tarfile.LENGTH_NAME:  # a long name is a separate member in front of the file
            total += tarfile.BLOCKSIZE + _blocks(encoded + 1)
    return total


def _blocks(size_bytes: int) -> int:
    return -(-size_bytes // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
