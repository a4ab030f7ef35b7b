"""Replies that a client may keep, and asks about before it uses them again: `ETag` and 304 (RFC 9110, 8.8.3)."""

from hashlib import sha256

from starlette.datastructures import Headers
from starlette.responses import Response

TAG_CHARS = 32


def tag_of(content: bytes) -> str:
    return f'"{sha256(content).hexdigest()[:TAG_CHARS]}"'


def kept_as(tag: str) -> dict[str, str]:
    """Headers of such a reply. Private, since a key may have been needed for it."""
    return {"ETag": tag, "Cache-Control": "private, no-cache"}


def not_modified(asked: Headers, tag: str) -> Response | None:
    """304 where the request's `If-None-Match` has the tag of what it would be answered."""
    known = {each.strip().removeprefix("W/") for each in asked.get("if-none-match", "").split(",")}
    return Response(status_code=304, headers=kept_as(tag)) if known & {tag, "*"} else None
