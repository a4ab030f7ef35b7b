"""Recognizes files by their first bytes, to say what to do with those that are not images of a supported format."""

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
    return ""


def has_zero_bytes(data: bytes) -> bool:
    """Return whether an image file is as it was written: every supported format has zero bytes in its header."""
    return b"\0" in data
