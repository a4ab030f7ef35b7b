"""Bytes on their way into a request: read from disk, put on disk, joined to pieces worth sending."""

import tempfile
from collections.abc import Iterable, Iterator
from typing import IO

PIECE_BYTES = 1 << 18


def joined(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes, in pieces of PIECE_BYTES or more."""
    gathered: list[bytes] = []
    size_bytes = 0
    for piece in pieces:
        gathered.append(piece)
        size_bytes += len(piece)
        if size_bytes >= PIECE_BYTES:
            yield b"".join(gathered)
            gathered, size_bytes = [], 0
    if gathered:
        yield b"".join(gathered)


def file_pieces(path: str) -> Iterator[bytes]:
    with open(path, "rb") as file:
        yield from opened_pieces(file, 0)


def opened_pieces(file: IO[bytes], start: int) -> Iterator[bytes]:
    """From position `start` to the end."""
    file.seek(start)
    while piece := file.read(PIECE_BYTES):
        yield piece


def spooled(pieces: Iterable[bytes]) -> tuple[IO[bytes], int]:
    """What can be had only once, put into a nameless file: (file, its size in bytes). It goes when nobody holds it."""
    file = tempfile.TemporaryFile()  # noqa: SIM115, as long as the body that reads it
    for piece in pieces:
        file.write(piece)
    return file, file.tell()
