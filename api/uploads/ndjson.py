"""Uploads as NDJSON: a line per image, `{"image": "<base64 of an image file>", "name": "7.png"}` or only the base64."""

import asyncio
import base64
from collections.abc import AsyncIterator

import orjson

from api.images.decode import Picture, ReadPicture, read_picture, read_picture_in_thread
from api.uploads.body import Body
from shared.errors import TooLarge

LINE_EXTRA_BYTES = 4096  # limit for a line's bytes other than the image
YIELD_EVERY = 32  # lines decoded before the event loop continues


async def ndjson_pictures(body: Body, image_bytes: int, read: ReadPicture = read_picture) -> AsyncIterator[Picture]:
    """Yield a picture per line. A line that cannot be read fails alone. Raises TooLarge if a line is too long."""
    number = 0
    async for line in _lines(body, image_bytes * 4 // 3 + LINE_EXTRA_BYTES):
        if not line.strip():
            continue
        number += 1
        yield await _picture(line, number, image_bytes, read)
        if number % YIELD_EVERY == 0:
            await asyncio.sleep(0)


async def _lines(body: Body, limit_bytes: int) -> AsyncIterator[bytes]:
    """Split the body into lines. The pieces of a line are joined once, not with every piece."""
    rest: list[bytes] = []
    rest_bytes = 0
    async for piece in body.pieces():
        first, *others = piece.split(b"\n")
        rest.append(first)
        rest_bytes += len(first)
        if rest_bytes > limit_bytes or any(len(line) > limit_bytes for line in others):
            raise TooLarge(f"a line is longer than {limit_bytes} bytes")
        if others:
            yield b"".join(rest)
            for line in others[:-1]:
                yield line
            rest, rest_bytes = [others[-1]], len(others[-1])
        await asyncio.sleep(0)
    yield b"".join(rest)


async def _picture(line: bytes, number: int, image_bytes: int, read: ReadPicture) -> Picture:
    name = f"line {number}"
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return Picture(name, None, f"not JSON: {error}")
    encoded = record
    if isinstance(record, dict):
        given = record.get("name")
        name = str(given) if given and isinstance(given, str | int | float) else name
        encoded = record.get("image")
    if not isinstance(encoded, str):
        return Picture(name, None, 'expected {"image": "<base64>"} or a base64 string')
    try:
        data = base64.b64decode(encoded, validate=True)
    except ValueError as error:
        return Picture(name, None, f"not base64: {error}")
    if len(data) > image_bytes:
        return Picture(name, None, f"larger than {image_bytes} bytes")
    return await read_picture_in_thread(name, data, read)
