"""Uploads as multipart/form-data, where every part is an image file."""

import asyncio
from collections.abc import AsyncIterator

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from api.images.decode import Picture, ReadPicture, read_picture, read_picture_in_thread
from api.uploads.body import Body
from api.uploads.safe_text import error_text
from shared.errors import BadUpload

MAX_HEADER_BYTES = 8192  # per part


class _Parts:
    """Collects parts from the parser's callbacks. A part above the limit is not kept in memory."""

    def __init__(self, image_bytes: int, read: ReadPicture) -> None:
        self.read = read
        self.image_bytes = image_bytes
        self.complete: list[tuple[str, bytes | None]] = []  # name and file, or None if the file is above the limit
        self.ended = False
        self._begin()

    def _begin(self) -> None:
        self._data = bytearray()
        self._seen_bytes = 0
        self._name = ""
        self._header_name = bytearray()
        self._header_value = bytearray()

    def callbacks(self) -> dict[str, object]:
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._add_header(self._header_name, data[start:end]),
            "on_header_value": lambda data, start, end: self._add_header(self._header_value, data[start:end]),
            "on_header_end": self._end_header,
            "on_part_data": self._add_data,
            "on_part_end": self._end_part,
            "on_end": self._end,
        }

    def _add_header(self, part: bytearray, data: bytes) -> None:
        part += data
        if len(part) > MAX_HEADER_BYTES:
            raise BadUpload(f"a part's header is longer than {MAX_HEADER_BYTES} bytes")

    def _end_header(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            _, options = parse_options_header(bytes(self._header_value))
            name = options.get(b"filename") or options.get(b"name") or b""
            self._name = name.decode("utf-8", "replace")
        self._header_name.clear()
        self._header_value.clear()

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        self._seen_bytes += end - start
        if self._seen_bytes <= self.image_bytes:
            self._data += data[start:end]

    def _end_part(self) -> None:
        if self._seen_bytes > self.image_bytes:
            self.complete.append((self._name, None))
        else:
            self.complete.append((self._name, bytes(self._data)))

    def _end(self) -> None:
        self.ended = True


async def multipart_pictures(
    body: Body, content_type: str, image_bytes: int, read: ReadPicture = read_picture
) -> AsyncIterator[Picture]:
    """Yield the pictures in the order of the parts, named by their file names. Raises BadUpload."""
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if not boundary:
        raise BadUpload("multipart/form-data without a boundary in its Content-Type")
    parts = _Parts(image_bytes, read)
    try:
        parser = MultipartParser(boundary, parts.callbacks())  # type: ignore[arg-type]
    except FormParserError as error:
        raise BadUpload(f"multipart/form-data with an unusable boundary: {error_text(error)}") from None
    async for piece in body.pieces():
        try:
            parser.write(piece)
        except FormParserError as error:
            raise BadUpload(f"damaged multipart body: {error_text(error)}") from None
        complete, parts.complete = parts.complete, []
        for name, data in complete:
            if data is None:
                yield Picture(name, None, f"larger than {image_bytes} bytes")
            else:
                yield await read_picture_in_thread(name, data, read)
        await asyncio.sleep(0)
    if not parts.ended:
        raise BadUpload("the multipart body ends too early")
