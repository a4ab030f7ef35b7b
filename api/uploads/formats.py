"""Detects the format of a bulk body by its Content-Type, or by its first bytes."""

from typing import Literal

import orjson

from api.images.magic import IMAGE_HEADS, hint_for
from api.uploads.body import without_mark
from shared.errors import UnknownFormat

StreamedFormat = Literal["multipart", "tar", "ndjson"]  # image files one after the other
Format = StreamedFormat | Literal["zip", "npy", "idx", "json", "range"]

TAR_MAGIC_OFFSET = 257
SNIFF_BYTES = 512
MAX_RANGE_BYTES = 4096  # length of a JSON range
NDJSON = "send NDJSON with Content-Type: application/x-ndjson, a line per image"
EXPECTED = (
    "expected multipart/form-data, a zip or tar archive, .npy or IDX (gzipped or not), NDJSON with base64 images "
    "(application/x-ndjson), or a JSON range of the test set"
)
_PACKED = {b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"(\xb5/\xfd": "zstd", b"7z\xbc\xaf": "7z", b"Rar!": "rar"}

_BY_CONTENT_TYPE: dict[str, Format] = {
    "multipart/form-data": "multipart",
    "application/zip": "zip",
    "application/x-zip-compressed": "zip",
    "application/x-tar": "tar",
    "application/x-ndjson": "ndjson",
    "application/ndjson": "ndjson",
    "application/jsonl": "ndjson",
    "application/x-npy": "npy",
    "application/x-idx": "idx",
}


def format_of_content_type(content_type: str) -> Format | None:
    """Return None if the type does not identify a format, such as `application/octet-stream` or curl's default."""
    return _BY_CONTENT_TYPE.get(content_type.partition(";")[0].strip().lower())


def format_of(head: bytes) -> Format | None:
    """Return None if the first bytes belong to no supported format."""
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    if head.startswith(b"\x93NUMPY"):
        return "npy"
    if head.startswith(b"\x00\x00\x08"):
        return "idx"
    if head[TAR_MAGIC_OFFSET : TAR_MAGIC_OFFSET + 5] == b"ustar":
        return "tar"
    if without_mark(head).lstrip()[:1] in (b"{", b'"'):
        return "ndjson"
    return None


def format_of_upload(content_type: str, head: bytes) -> Format:
    """Return the format by the first bytes, which are more reliable than a `Content-Type`. Raises UnknownFormat.

    `json` means that more of the body is needed: see `format_of_json`.
    """
    declared, found = format_of_content_type(content_type), format_of(head)
    if declared == "multipart":
        return declared
    if declared != "ndjson" and (found == "ndjson" or _is_json(content_type)):
        return "json"
    upload_format = found or declared
    if upload_format is None:
        got = f"got {content_type or 'no Content-Type'} starting with {head[:8]!r}"
        raise UnknownFormat(f"{EXPECTED}; {got}{_advice(head)}")
    return upload_format


def format_of_json(content_type: str, head: bytes, whole: bool) -> Literal["ndjson", "range"]:
    """Return `ndjson` or `range`. `head` is the first MAX_RANGE_BYTES and one more, or the `whole` body.

    Raises UnknownFormat for a JSON document that is neither.
    """
    text = without_mark(head).lstrip()
    first_line = text.partition(b"\n")[0].strip()
    if text.startswith(b"["):
        raise UnknownFormat(f"the body is a JSON array starting with {text[:20]!r}: {NDJSON}")
    if text.startswith(b"{") and (whole and _is_document_without_image(text)):
        return "range"
    if text.startswith(b"{") and b'"image"' not in text:
        raise UnknownFormat(f'the body is JSON without "image", starting with {text[:20]!r}: {NDJSON}')
    if first_line == b"{":
        raise UnknownFormat(f"the body is a JSON document of several lines: {NDJSON}")
    if not text.startswith((b"{", b'"')):
        raise UnknownFormat(f"{EXPECTED}; got {content_type} starting with {head[:8]!r}{_advice(head)}")
    return "ndjson"


def _is_json(content_type: str) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type in ("application/json", "text/json") or media_type.endswith("+json")


def _is_document_without_image(text: bytes) -> bool:
    try:
        content = orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return isinstance(content, dict) and "image" not in content


def _advice(head: bytes) -> str:
    if head.startswith(IMAGE_HEADS):
        return "; it is an image: send one image to /mnist/classify, or several as a form or archive"
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "; it is UTF-16: save it as UTF-8"
    packed = next((name for begin, name in _PACKED.items() if head.startswith(begin)), None)
    if packed:
        return f"; it is {packed}: pack it as zip, or compress it with gzip"
    return hint_for(head)
