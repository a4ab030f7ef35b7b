"""Small image files as NDJSON, a line each: less to make, to send and to read than an archive's headers and padding."""

import base64
import json
from collections.abc import Iterable, Iterator

NDJSON_TYPE = "application/x-ndjson"
MAX_BYTES = 4096  # of a file: such a line is short enough for any service; a larger file may fail, but then alone
LINE = b'{"name": %s, "image": "%s"}\n'
FRAME_BYTES = len(LINE) - 2 * len(b"%s")


def line_pieces(members: Iterable[tuple[str, bytes]]) -> Iterator[bytes]:
    """Of (name, content)."""
    for name, content in members:
        yield LINE % (_name(name), base64.b64encode(content))


def line_bytes(sizes: Iterable[tuple[str, int]]) -> int:
    """How large the lines of members of (name, size in bytes) will be."""
    return sum(FRAME_BYTES + len(_name(name)) + 4 * -(-size // 3) for name, size in sizes)


def _name(name: str) -> bytes:
    """As JSON, which has no place for bytes that are no text."""
    return json.dumps(name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")).encode()
