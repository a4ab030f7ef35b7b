"""The temporary file of an archive upload. A full disk is not the client's fault."""

import asyncio
import contextlib
import tempfile
from collections.abc import Iterator
from typing import IO

from api.uploads.body import Body
from shared.errors import Unavailable

WRITE_BYTES = 1 << 18  # written in one call, in a thread, because a slow disk would stop all other requests


@contextlib.contextmanager
def temporary_file() -> Iterator[IO[bytes]]:
    """Yield a file that has no name. Raises Unavailable if the system refuses to create, write or close it."""
    try:
        with tempfile.TemporaryFile() as file:
            yield file
    except OSError as error:
        folder = tempfile.tempdir or "the temporary folder"
        raise Unavailable(
            f"the upload cannot be stored in {folder}: {error.strerror or error}. Repeat it later, or send NDJSON, "
            "multipart or .npy, which need no disk",
            "disk",
        ) from None


async def spool(body: Body, file: IO[bytes]) -> int:
    """Write the body into `file`, seek to its start, and return its size in bytes."""
    data = bytearray()
    async for piece in body.pieces():
        data += piece
        if len(data) >= WRITE_BYTES:
            await asyncio.to_thread(file.write, data)
            data = bytearray()
    return await asyncio.to_thread(_write_last, file, data)


def _write_last(file: IO[bytes], data: bytearray) -> int:
    file.write(data)
    size_bytes = file.tell()
    file.seek(0)  # writes what is still buffered
    return size_bytes
