"""The chunks of a request body: read from disk, copied to disk, and merged to an efficient size."""

import tempfile
from collections.abc import Iterable, Iterator
from typing import IO

CHUNK_BYTES = 1 << 18


def merge_chunks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the same bytes in chunks of at least CHUNK_BYTES, except the last one."""
    pending: list[bytes] = []
    size_bytes = 0
    for chunk in chunks:
        pending.append(chunk)
        size_bytes += len(chunk)
        if size_bytes >= CHUNK_BYTES:
            yield b"".join(pending)
            pending, size_bytes = [], 0
    if pending:
        yield b"".join(pending)


def file_chunks(path: str) -> Iterator[bytes]:
    with open(path, "rb") as file:
        yield from read_chunks(file, 0)


def read_chunks(file: IO[bytes], start: int) -> Iterator[bytes]:
    """Yield the content of an open file from position `start` to the end."""
    file.seek(start)
    while chunk := file.read(CHUNK_BYTES):
        yield chunk


def spool_chunks(chunks: Iterable[bytes]) -> tuple[IO[bytes], int]:
    """Copy chunks to a temporary file and return (file, its size in bytes). Closing the file deletes it."""
    file = tempfile.TemporaryFile()  # noqa: SIM115, the body that reads it closes it
    for chunk in chunks:
        file.write(chunk)
    return file, file.tell()
