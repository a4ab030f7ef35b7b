"""Uploads as multipart/form-data, where every file is an image. Text fields and empty file inputs are skipped."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from api.http.bodies import Held
from api.images.decode import Picture, ReadPicture, read_picture, read_picture_in_thread
from api.images.magic import IMAGE_HEADS
from api.uploads.archives.members import is_added_by_system
from api.uploads.base64_image import BASE64_HEAD, decode_base64
from api.uploads.body import Body
from api.uploads.safe_text import error_text
from shared.errors import BadUpload

MAX_HEADER_BYTES = 8192  # per part
MAX_SHOWN_FIELDS = 5
MAX_FIELDS = 1000  # before the first file of a form with one image; in others, besides one for each file
SLICE_BYTES = 1 << 12  # parsed at a time, because a slice may have hundreds of parts
PART_HEADERS = (b"content-disposition", b"content-type", b"content-transfer-encoding")
EXTENDED_NAME = re.compile(rb"filename\*\s*=\s*\"?([A-Za-z0-9-]*)'[^']*'([^;\"\s]+)")


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a form. `data` is None if it is above the limit, `file_name` if the part declares none."""

    field: str
    file_name: str | None
    content_type: str
    data: bytes | None

    @property
    def name(self) -> str:
        return self.file_name or self.field

    @property
    def is_file(self) -> bool:
        """Return whether the part is a file that somebody chose, not a text field or an empty file input."""
        if self.data == b"" and not self.file_name:
            return False
        if is_added_by_system(self.name):
            return False
        has_file_type = self.content_type.startswith(("image/", "application/octet-stream"))
        return self.file_name is not None or has_file_type or self.data is None or self.data.startswith(IMAGE_HEADS)


class _Parts:
    """Collects parts from the parser's callbacks. A part above the limit is not kept in memory."""

    def __init__(self, image_bytes: int) -> None:
        self.image_bytes = image_bytes
        self.complete: list[_Part] = []
        self.fields: list[str] = []  # names of text fields, for an error
        self.ended = False
        self.count = 0
        self._begin()

    def _begin(self) -> None:
        self._data = bytearray()
        self.seen_bytes = 0  # bytes of the current part
        self._headers: dict[bytes, bytes] = {}
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
        if (name := bytes(self._header_name).lower()) in PART_HEADERS:
            self._headers[name] = bytes(self._header_value)
        self._header_name.clear()
        self._header_value.clear()

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        self.seen_bytes += end - start
        if self.seen_bytes <= self.image_bytes:
            self._data += data[start:end]

    def _end_part(self) -> None:
        disposition = self._headers.get(b"content-disposition", b"")
        _, options = parse_options_header(disposition)
        part = _Part(
            field=_text(options.get(b"name", b"")),
            file_name=file_name_of(disposition, options),
            content_type=self._headers.get(b"content-type", b"").decode("latin-1").lower(),
            data=None if self.seen_bytes > self.image_bytes else self._decoded(),
        )
        self.seen_bytes = 0
        self.count += 1
        if part.is_file:
            self.complete.append(part)
        elif len(self.fields) < MAX_SHOWN_FIELDS:
            self.fields.append(part.name)

    def _decoded(self) -> bytes:
        """Return the data of the part, decoded if it is an image in base64, also in a text field."""
        data = bytes(self._data)
        if self._headers.get(b"content-transfer-encoding", b"").strip().lower() != b"base64" and not BASE64_HEAD.match(
            data
        ):
            return data
        try:
            decoded = decode_base64(data.decode("latin-1"))
        except ValueError:
            return data
        return decoded if decoded.startswith(IMAGE_HEADS) else data

    def _end(self) -> None:
        self.ended = True

    def no_file(self) -> BadUpload:
        found = f"only the fields {', '.join(map(repr, self.fields))}" if self.fields else "no parts"
        return BadUpload(f"the form has no file, {found}: send each image as a file, as `curl -F image=@7.png` does")


def file_name_of(disposition: bytes, options: Mapping[bytes, bytes]) -> str | None:
    """Return the file name of a part, or None. `filename*` (RFC 8187) is preferred, because it names its encoding."""
    if extended := EXTENDED_NAME.search(disposition):
        try:
            return unquote_to_bytes(extended[2]).decode(extended[1].decode() or "utf-8").replace("\\", "/")
        except (LookupError, UnicodeDecodeError):
            pass
    name = options.get(b"filename")
    return None if name is None else _text(name)


def _text(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError:
        return name.decode("latin-1")


def _parser(content_type: str, parts: _Parts) -> MultipartParser:
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if not boundary:
        raise BadUpload("multipart/form-data without a boundary in its Content-Type")
    try:
        return MultipartParser(boundary, parts.callbacks())  # type: ignore[arg-type]
    except FormParserError as error:
        raise BadUpload(f"multipart/form-data with an unusable boundary: {error_text(error)}") from None


def _feed(parser: MultipartParser, piece: bytes) -> None:
    try:
        parser.write(piece)
    except FormParserError as error:
        raise BadUpload(f"damaged multipart body: {error_text(error)}") from None


def file_of_form(body: bytes, content_type: str) -> bytes:
    """Return the first file of a form, or its text field `image`. Raises BadUpload if there is none."""
    parts = _Parts(len(body))
    parser = _parser(content_type, parts)
    for start in range(0, len(body), SLICE_BYTES):
        _feed(parser, body[start : start + SLICE_BYTES])
        if parts.complete:
            return parts.complete[0].data or b""
        if parts.count > MAX_FIELDS:
            raise BadUpload(f"the form has more than {MAX_FIELDS} fields before its first file")
    if not parts.ended:
        raise BadUpload("the multipart body ends too early")
    raise parts.no_file()


async def slices(body: Body) -> AsyncIterator[bytes]:
    """Yield the rest of the body in slices of at most SLICE_BYTES."""
    async for piece in body.pieces():
        for start in range(0, len(piece), SLICE_BYTES):
            yield piece[start : start + SLICE_BYTES]


async def multipart_pictures(
    body: Body, content_type: str, image_bytes: int, read: ReadPicture = read_picture, held: Held | None = None
) -> AsyncIterator[Picture]:
    """Yield the pictures in the order of the parts, named by their file names. Text fields are skipped.

    Raises BadUpload, also for a form without files, and QueueFull from `held`, which counts the bytes in memory.
    """
    parts = _Parts(image_bytes)
    parser = _parser(content_type, parts)
    count = 0
    async for piece in slices(body):
        _feed(parser, piece)
        if held is not None:
            held.set(min(parts.seen_bytes, image_bytes) + sum(len(part.data or b"") for part in parts.complete))
        complete, parts.complete = parts.complete, []
        count += len(complete)
        if parts.count - count > MAX_FIELDS + count:
            raise BadUpload(f"the form has {parts.count - count} fields that are no files: send each image as a file")
        for part in complete:
            if part.data is None:
                yield Picture(part.name, None, f"larger than {image_bytes} bytes")
            else:
                yield await read_picture_in_thread(part.name, part.data, read)
        await asyncio.sleep(0)
    if not parts.ended:
        raise BadUpload("the multipart body ends too early")
    if not count:
        raise parts.no_file()
