"""Limits on the structure of image files, checked before Pillow parses them, which it does in Python."""

import struct
from collections.abc import Iterator
from typing import Literal

from shared.errors import BadImage

LARGE_BYTES = 1 << 20  # larger files may only have formats whose structure is checked here, or is simple
TIFF_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
LARGE_FORMATS = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF", b"BM", *TIFF_ORDERS)  # JPEG, PNG, WebP, BMP, TIFF
MAX_PNG_CHUNKS = 100_000
MAX_TIFF_STRIPS = 20_000  # and values of any other tag
TIFF_TYPES_OF_NUMBERS = (3, 4, 5, 8, 9, 10, 11, 12)  # all others stay bytes until they are used
MAX_JPEG_SEGMENTS = 2_000  # before the first scan
MAX_JPEG_SCANS = 64  # each takes a pass over the whole picture; cameras write one, progressive files about ten
PNG_SIGNATURE_BYTES = 8
BMP_COMPRESSION_AT, RUN_LENGTHS = 30, (1, 2)  # Pillow unpacks run lengths in Python, half a microsecond for each
START_OF_SCAN = 0xDA
SEQUENTIAL_FRAMES = (0xC0, 0xC1)


def check_structure(data: bytes) -> None:
    """Raise BadImage for a file with so many parts that reading them would take seconds."""
    if len(data) > LARGE_BYTES and not data.startswith(LARGE_FORMATS):
        raise BadImage(
            f"{len(data)} bytes are too many for this format: save the image as JPEG or PNG, or scale it down"
        )
    if len(data) > LARGE_BYTES and data.startswith(b"BM") and data[BMP_COMPRESSION_AT] in RUN_LENGTHS:
        raise BadImage("a BMP of more than 1 MiB with run lengths: save the image as JPEG or PNG")
    if data.startswith(b"\x89PNG") and sum(1 for _ in _png_chunks(data)) > MAX_PNG_CHUNKS:
        raise BadImage(f"a PNG of more than {MAX_PNG_CHUNKS} chunks: save the image again")
    if (order := TIFF_ORDERS.get(data[:4])) and _max_tiff_values(data, order) > MAX_TIFF_STRIPS:
        raise BadImage(f"a TIFF with a tag of more than {MAX_TIFF_STRIPS} values: save the image as JPEG or PNG")
    if data.startswith(b"\xff\xd8"):
        if data.count(b"\xff\xda") > MAX_JPEG_SCANS:
            raise BadImage(f"a JPEG of more than {MAX_JPEG_SCANS} scans: save the image again, not progressive")
        if sum(1 for _ in _jpeg_segments(data)) > MAX_JPEG_SEGMENTS:
            raise BadImage(f"a JPEG of more than {MAX_JPEG_SEGMENTS} segments: save the image again")


def is_sequential_jpeg(data: bytes) -> bool:
    """Return whether one scan holds all colours of a baseline JPEG. Otherwise libjpeg keeps all coefficients."""
    components = None
    for marker, start in _jpeg_segments(data):
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # a frame; the others are tables
            if marker not in SEQUENTIAL_FRAMES:
                return False
            components = data[start + 7 : start + 8]
        elif marker == START_OF_SCAN:
            return bool(components) and data[start + 2 : start + 3] == components
    return False


def _max_tiff_values(data: bytes, order: str) -> int:
    """Return the largest number of values that a tag of the first directory declares, such as offsets of strips."""
    byteorder: Literal["little", "big"] = "little" if order == "<" else "big"
    at = int.from_bytes(data[4:8], byteorder)
    tags = int.from_bytes(data[at : at + 2], byteorder)
    entries = memoryview(data)[at + 2 : at + 2 + 12 * tags]
    entries = entries[: len(entries) // 12 * 12]
    counts = (
        count for _, kind, count, _ in struct.iter_unpack(f"{order}HHII", entries) if kind in TIFF_TYPES_OF_NUMBERS
    )
    return max(counts, default=0)


def _png_chunks(data: bytes) -> Iterator[int]:
    """Yield the offset of each chunk, and one more than the limit at most."""
    at = PNG_SIGNATURE_BYTES
    for _ in range(MAX_PNG_CHUNKS + 1):
        if at + 8 > len(data):
            return
        yield at
        at += 12 + struct.unpack_from(">I", data, at)[0]


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield (marker, offset of its length) up to the first scan, and one more than the limit at most."""
    at = 2
    for _ in range(MAX_JPEG_SEGMENTS + 1):
        while at + 1 < len(data) and data[at] == 0xFF and data[at + 1] == 0xFF:  # fill bytes
            at += 1
        if at + 4 > len(data) or data[at] != 0xFF:
            return
        marker = data[at + 1]
        yield marker, at + 2
        if marker == START_OF_SCAN:
            return
        at += 2 + int(struct.unpack_from(">H", data, at + 2)[0])
