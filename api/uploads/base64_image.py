"""Image files in base64, in all forms in which programs write it."""

import base64
import binascii
import re

# PNG, JPEG, GIF, WebP, TIFF, and BMP in base64, and a data: URI. Without a limit, megabytes of spaces take a second.
BASE64_HEAD = re.compile(rb"\s{0,100}(data:|iVBOR|/9j/|_9j_|R0lGOD|UklGR|SUkq|TU0AK|Qk[0-3])", re.IGNORECASE)
_URL_SAFE, _SPACES = bytes.maketrans(b"-_", b"+/"), b" \t\r\n\f\v"
MAX_SHOWN_CHARS = 20
SLICE_BYTES = 1 << 16  # decoded at a time, because a slice holds the GIL
ESCAPE_BYTES = 3  # %2B


def percent_decoded(data: bytes) -> bytes:
    """Decode escapes such as `%2B`, as the `=2B` of binascii: urllib takes 150 bytes and a microsecond for each one.

    A `%` without two digits after it becomes `=`, which makes the result invalid.
    """
    decoded, start = [], 0
    while start < len(data):
        piece = data[start : start + SLICE_BYTES]
        cut = piece.rfind(b"%", 1 - ESCAPE_BYTES) if len(piece) == SLICE_BYTES else -1
        if cut > 0:  # an escape may continue in the next slice
            piece = piece[:cut]
        start += len(piece)
        decoded.append(binascii.a2b_qp(piece.replace(b"=", b"%3D").replace(b"%", b"=")))
    return b"".join(decoded)


def decode_base64(text: str) -> bytes:
    """Decode standard or URL-safe base64, wrapped or not, padded or not, or a `data:` URI. Raises ValueError."""
    try:
        return base64.b64decode(text, validate=True)  # nearly all texts
    except ValueError:
        pass
    head, comma, rest = text.partition(",")
    if head.lstrip()[:5].lower() == "data:" and comma:
        if not head.rstrip().lower().endswith(";base64"):
            return percent_decoded(rest.encode())
        text = rest
    elif head.lstrip()[:4].lower() == "http":
        raise ValueError("this is a URL; send the image itself")
    try:
        plain = text.encode("ascii")
        if b"%" in plain:
            plain = percent_decoded(plain)
        plain = plain.translate(_URL_SAFE, _SPACES).rstrip(b"=")  # one fast pass, because it holds the GIL
        return base64.b64decode(plain + b"=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"{error}; the text begins with {text[:MAX_SHOWN_CHARS]!r}") from None
