"""A tar archive as it is made, piece by piece."""

import tarfile
from collections.abc import Iterable, Iterator

TAR_TYPE = "application/x-tar"
END = bytes(2 * tarfile.BLOCKSIZE)


def tar_pieces(members: Iterable[tuple[str, bytes]]) -> Iterator[bytes]:
    """An archive of (name, content)."""
    for name, content in members:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        yield info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
        yield content
        yield bytes(-len(content) % tarfile.BLOCKSIZE)
    yield END


def tar_bytes(sizes: Iterable[tuple[str, int]]) -> int:
    """How large an archive of members of (name, size in bytes) will be."""
    total = len(END)
    for name, size in sizes:
        total += tarfile.BLOCKSIZE + _blocks(size)
        encoded = len(name.encode("utf-8", "surrogateescape"))
        if encoded > tarfile.LENGTH_NAME:  # then it comes first, in a member of its own
            total += tarfile.BLOCKSIZE + _blocks(encoded + 1)
    return total


def _blocks(size_bytes: int) -> int:
    return -(-size_bytes // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
