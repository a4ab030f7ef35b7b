"""Recognizes files by their first bytes, to say what to do with those that are not images of a supported format."""

import re

# PNG, JPEG, GIF, WebP, BMP, TIFF
IMAGE_HEADS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"BM", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_DAMAGED_HEADS = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"BM", b"II*", b"MM*")
_AS_TEXT = (b"\xef\xbf\xbdPNG", b"\xc2\x89PNG", b"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", b"\xc3\xbf\xc3\x98\xc3\xbf")
GZIP_HEAD = b"\x1f\x8b"
_MANY_IMAGES = {
    b"PK\x03\x04": "a zip archive (or an .npz file)",
    b"PK\x05\x06": "an empty zip archive",
    b"\x93NUMPY": "an .npy array",
    b"\0\0\x08": "an IDX file",
}
_OTHER_FILES = {b"%PDF": "a PDF", b"<svg": "an SVG", b"<?xml": "XML or SVG", b"<!DOCTYPE": "HTML", b"<html": "HTML"}
_RAW_BYTES = (784, 4 * 784, 8 * 784)  # 28×28 pixels as uint8, float32 or float64
_FILE_NAME = re.compile(r"[^\s;:{}<>]{1,200}\.(png|jpe?g|jfif|gif|tiff?|bmp|webp|npy|npz|zip|tar|gz)", re.IGNORECASE)
MAX_TEXT_BYTES = 256
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"heim", b"avif", b"avis")


def hint_for(data: bytes) -> str:
    """Return what `data` seems to be and what to send instead, after a semicolon, or nothing."""
    if data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS:
        return "; it is a HEIC or AVIF photo: save it as JPEG"
    if data.startswith(_DAMAGED_HEADS) and not has_zero_bytes(data):
        return "; it is an image without its zero bytes and line ends, which `curl -d` removes: use --data-binary @FILE"
    if data.startswith(_AS_TEXT):
        return "; it is an image that was sent as text: send its bytes, or its base64 as JSON"
    for head, name in _MANY_IMAGES.items():
        if data.startswith(head):
            return f"; it is {name}: send many images to /mnist/classify/bulk"
    if data.startswith(GZIP_HEAD):
        return "; it is gzipped: send the file itself, or gzip the whole body"
    begin = data[:64].lstrip()
    for head, name in _OTHER_FILES.items():
        if begin.lower().startswith(head.lower()):
            return f"; it is {name}: save it as PNG or JPEG"
    if len(data) in _RAW_BYTES:
        return f"; {len(data)} bytes may be raw pixels: send them as an .npy array to /mnist/classify/bulk"
    return _hint_for_text(data[:MAX_TEXT_BYTES])


def _hint_for_text(begin: bytes) -> str:
    """Return the hint for a file that begins so, or nothing if it is no ASCII text."""
    if not begin or not begin.isascii() or not begin.decode("ascii").isprintable():
        return ""
    name = begin.decode("ascii").strip()
    if _FILE_NAME.fullmatch(name):
        return f"; it is the name of a file, not its content, which curl sends with --data-binary @{name}"
    return "; it is text"


def has_zero_bytes(data: bytes) -> bool:
    """Return whether an image file is as it was written: every supported format has zero bytes in its header."""
    return b"\0" in data
