"""Responses that a client may cache but must revalidate: `ETag` and 304 (RFC 9110, 8.8.3)."""

from hashlib import sha256

from starlette.datastructures import Headers
from starlette.responses import Response

TAG_CHARS = 32


def etag_of(content: bytes) -> str:
    return f'"{sha256(content).hexdigest()[:TAG_CHARS]}"'


def cache_headers(tag: str) -> dict[str, str]:
    """Return the headers of a cached response. It is private because it may have required a key."""
    return {"ETag": tag, "Cache-Control": "private, no-cache"}


def not_modified(headers: Headers, tag: str) -> Response | None:
    """Return a 304 if the request's `If-None-Match` holds the current tag."""
    known = {each.strip().removeprefix("W/") for each in headers.get("if-none-match", "").split(",")}
    return Response(status_code=304, headers=cache_headers(tag)) if known & {tag, "*"} else None
