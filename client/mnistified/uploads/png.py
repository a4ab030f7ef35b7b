"""PNG files with eight bits per pixel and channel, written with only zlib, and greyscale ones read."""

import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, COLOUR = 0, 2


def write_png(pixels: bytes, width: int, height: int, channels: int = 1) -> bytes:
    """Return `pixels` of one or three channels, given row by row, as a PNG file."""
    row_bytes = width * channels
    rows = b"".join(b"\0" + pixels[row * row_bytes : (row + 1) * row_bytes] for row in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, GREY if channels == 1 else COLOUR, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 1)), (b"IEND", b""))
    return SIGNATURE + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def read_png(content: bytes) -> tuple[bytes, int, int]:
    """Return (pixels, width, height). Raises ValueError unless the file is intact, greyscale, 8-bit, not interlaced."""
    if not content.startswith(SIGNATURE):
        raise ValueError("not a PNG file")
    at, header, packed = len(SIGNATURE), b"", b""
    while at < len(content):
        length, kind = struct.unpack_from(">I4s", content, at)
        data = content[at + 8 : at + 8 + length]
        header, packed = (data, packed) if kind == b"IHDR" else (header, packed + data * (kind == b"IDAT"))
        at += 12 + length
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    if (depth, colour, interlaced) != (8, GREY, 0):
        raise ValueError("expected a greyscale PNG file with eight bits per pixel")
    rows = zlib.decompress(packed)
    if len(rows) != height * (width + 1):
        raise ValueError(f"the PNG file of {width}×{height} pixels has {len(rows)} bytes of pixels")
    return _unfiltered(rows, width, height), width, height


def _unfiltered(rows: bytes, width: int, height: int) -> bytes:
    pixels = bytearray()
    above = bytearray(width)
    for row in range(height):
        start = row * (width + 1)
        line = bytearray(rows[start + 1 : start + 1 + width])
        _unfilter(rows[start], line, above)
        pixels += line
        above = line
    return bytes(pixels)


def _unfilter(kind: int, line: bytearray, above: bytearray) -> None:
    """Undo, in place, a filter of the PNG specification for one byte per pixel."""
    for x in range(len(line)):
        left = line[x - 1] if x else 0
        corner = above[x - 1] if x else 0
        up = above[x]
        if kind == 1:
            line[x] = (line[x] + left) & 0xFF
        elif kind == 2:
            line[x] = (line[x] + up) & 0xFF
        elif kind == 3:
            line[x] = (line[x] + (left + up) // 2) & 0xFF
        elif kind == 4:
            line[x] = (line[x] + _paeth(left, up, corner)) & 0xFF


def _paeth(left: int, up: int, corner: int) -> int:
    """Return the neighbour nearest to left + up - corner. Ties prefer left, then up."""
    estimate = left + up - corner
    return min((left, up, corner), key=lambda value: abs(estimate - value))
