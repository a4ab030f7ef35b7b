"""Detects the format of a bulk body by its Content-Type, or by its first bytes."""

from typing import Literal

Format = Literal["multipart", "zip", "tar", "npy", "idx", "ndjson"]

TAR_MAGIC_OFFSET = 257
SNIFF_BYTES = 512

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
    if head.lstrip()[:1] in (b"{", b'"'):
        return "ndjson"
    return None
