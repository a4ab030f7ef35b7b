"""Small image files as NDJSON, one line per file, which is smaller and faster to write and read than an archive."""

import base64
import json
from collections.abc import Iterable, Iterator

NDJSON_TYPE = "application/x-ndjson"
MAX_BYTES = 4096  # per file: every service accepts the resulting line length, while a longer line might be refused
LINE = b'{"name": %s, "image": "%s"}\n'
FRAME_BYTES = len(LINE) - 2 * len(b"%s")


def line_chunks(members: Iterable[tuple[str, bytes]]) -> Iterator[bytes]:
    """Yield the line of each (name, content)."""
    for name, content in members:
        yield LINE % (_name(name), base64.b64encode(content))


def line_bytes(sizes: Iterable[tuple[str, int]]) -> int:
    """Return the total size of the lines of files (name, size in bytes)."""
    return sum(FRAME_BYTES + len(_name(name)) + 4 * -(-size // 3) for name, size in sizes)


def _name(name: str) -> bytes:
    """Return the name as JSON, without bytes that are not valid text."""
    return json.dumps(name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")).encode()
