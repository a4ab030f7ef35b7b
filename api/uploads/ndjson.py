"""Uploads as NDJSON: a line per image, `{"image": "<base64 of an image file>", "name": "7.png"}` or only the base64."""

import asyncio
from collections.abc import AsyncIterator

import msgspec

from api.http.bodies import Held
from api.images.bulk_threads import in_bulk_thread
from api.images.decode import Picture, ReadPicture, read_picture, read_picture_in_thread
from api.uploads.base64_image import decode_base64
from api.uploads.body import Body, without_mark
from shared.errors import TooLarge

LINE_EXTRA_BYTES = 4096  # limit for a line's bytes other than the image
JSON_ERRORS = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)  # from msgspec, for damaged and for deep JSON
INLINE_BYTES = 64 << 10  # longer lines are parsed in a thread, because a line may have MAX_IMAGE_BYTES and a third
YIELD_EVERY = 32  # lines decoded before the event loop continues


class _Line(msgspec.Struct):
    """A record. msgspec checks other fields without keeping them in memory."""

    image: msgspec.Raw = msgspec.Raw(b"null")
    name: msgspec.Raw = msgspec.Raw(b"")


LINE, TEXT = msgspec.json.Decoder(_Line | str), msgspec.json.Decoder(str)


async def ndjson_pictures(
    body: Body, image_bytes: int, read: ReadPicture = read_picture, held: Held | None = None
) -> AsyncIterator[Picture]:
    """Yield a picture per line. A line that cannot be read fails alone. Raises TooLarge if a line is too long.

    `held` counts the bytes in memory, and raises QueueFull if there are too many.
    """
    number = 0
    async for line in _lines(body, image_bytes * 4 // 3 + LINE_EXTRA_BYTES, held):
        if not number:
            line = without_mark(line)
        if not line.strip():
            continue
        number += 1
        if len(line) > INLINE_BYTES:
            yield await in_bulk_thread(_picture, line, number, image_bytes, read)
        else:
            found = _image_file(line, number, image_bytes)
            yield found if isinstance(found, Picture) else await read_picture_in_thread(*found, read)
        if number % YIELD_EVERY == 0:
            await asyncio.sleep(0)


async def _lines(body: Body, limit_bytes: int, held: Held | None) -> AsyncIterator[bytes]:
    """Split the body into lines. The pieces of a line are joined once, not with every piece."""
    rest: list[bytes] = []
    rest_bytes = 0
    async for piece in body.pieces():
        first, *others = piece.split(b"\n")
        rest.append(first)
        rest_bytes += len(first)
        if rest_bytes > limit_bytes or any(len(line) > limit_bytes for line in others):
            raise TooLarge(f"a line is longer than {limit_bytes} bytes")
        if held is not None:
            held.set(rest_bytes)
        if others:
            yield b"".join(rest)
            for line in filter(None, others[:-1]):  # a piece may have only line ends
                yield line
            rest, rest_bytes = [others[-1]], len(others[-1])
        await asyncio.sleep(0)
    yield b"".join(rest)


def _picture(line: bytes, number: int, image_bytes: int, read: ReadPicture) -> Picture:
    found = _image_file(line, number, image_bytes)
    return found if isinstance(found, Picture) else read(*found)


def _image_file(line: bytes, number: int, image_bytes: int) -> Picture | tuple[str, bytes]:
    """Return name and image file of a line, or a Picture with the reason why there is none."""
    name = f"line {number}"
    try:
        record = LINE.decode(line)
        if isinstance(record, _Line):
            name = _name(record.name) or name
        encoded = TEXT.decode(record.image) if isinstance(record, _Line) else record
    except msgspec.ValidationError:
        return Picture(name, None, 'expected {"image": "<base64>"} or a base64 string')
    except JSON_ERRORS as error:
        return Picture(name, None, f"not JSON: {error}")
    try:
        data = decode_base64(encoded)
    except ValueError as error:
        return Picture(name, None, f"not base64: {error}")
    if len(data) > image_bytes:
        return Picture(name, None, f"larger than {image_bytes} bytes")
    return name, data


def _name(raw: msgspec.Raw) -> str:
    """Return a name that is a text or a number, or an empty string."""
    try:
        name = msgspec.json.decode(raw, type=str | int | float | None) if len(raw) else None
    except JSON_ERRORS:
        return ""
    return str(name) if name else ""
