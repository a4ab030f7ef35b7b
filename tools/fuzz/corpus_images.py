"""Hostile image files, for the route of single images."""

import itertools
import struct
import zlib
from collections.abc import Iterator

from PIL import Image

from tests.api.images.test_decode import FILES
from tests.support.uploads import image_file
from tools.fuzz.case import SINGLE, Case, cases

SIDES = (0, 1, 27, 29, 10_000, 50_000, 2**31 - 1)
MAGIC = b"\x89PNG\r\n\x1a\n"


def png_chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png_header(width: int, height: int, depth: int = 8, colour: int = 0, packing: int = 0) -> bytes:
    return png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, packing, 0, 0))


def png(*chunks: bytes, side: int = 28) -> bytes:
    row = b"\0" + bytes(range(0, 252, 9))  # without a filter, and from black to white
    pixels = png_chunk(b"IDAT", zlib.compress(row * 28))
    return MAGIC + png_header(side, side) + b"".join(chunks) + pixels + png_chunk(b"IEND", b"")


def tiff(*tags: tuple[int, int, int, int], count: int | None = None) -> bytes:
    """Return a TIFF. `tags` are (tag, type, count, value), and the directory declares `count`."""
    head = b"II*\0" + struct.pack("<IH", 8, len(tags) if count is None else count)
    return head + b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4)


def bmp_of_run_lengths(runs: int) -> bytes:
    """Return a BMP of one colour, whose runs are one pixel long."""
    header = struct.pack("<IiiHHIIiiII", 40, 2048, runs // 2048 + 1, 1, 8, 1, 0, 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", 0, 0, 0, 54 + 1024) + header + bytes(1024) + b"\1\0" * runs + b"\0\1"


def huge(side: int) -> Iterator[tuple[str, bytes]]:
    yield f"PNG of {side}", png(side=side)
    yield f"BMP of {side}", b"BM" + struct.pack("<IIIIiiHHIIiiII", 1000, 0, 54, 40, side, side, 1, 8, 0, 0, 0, 0, 0, 0)
    yield f"TIFF of {side}", tiff((256, 4, 1, side), (257, 4, 1, side), (273, 4, 1, 8))
    if side < 1 << 16:
        yield f"GIF of {side}", b"GIF89a" + struct.pack("<HH", side, side) + bytes(100)
        yield f"JPEG of {side}", b"\xff\xd8\xff\xc0\0\x0b\x08" + struct.pack(">HH", side, side) + b"\1\1\x11\0\xff\xd9"
        yield f"WebP of {side}", b"RIFF" + struct.pack("<I", 100) + b"WEBPVP8 " + struct.pack("<I", 88) + bytes(88)


def texts() -> Iterator[tuple[str, bytes]]:
    bomb = zlib.compress(bytes(20 << 20), 9)
    yield "zTXt of 20 MiB", png(png_chunk(b"zTXt", b"a\0\0" + bomb))
    yield "iTXt of 20 MiB", png(png_chunk(b"iTXt", b"a\0\1\0\0\0" + bomb))
    yield "iCCP of 20 MiB", png(png_chunk(b"iCCP", b"a\0\0" + bomb))
    yield "60 zTXt of 1 MiB", png(*[png_chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1 << 20), 9))] * 60)
    yield "60 iTXt of 1 MiB", png(*[png_chunk(b"iTXt", b"a\0\1\0\0\0" + zlib.compress(bytes(1 << 20), 9))] * 60)


def tags() -> Iterator[tuple[str, bytes]]:
    yield "65,535 tags that are not there", tiff((256, 4, 1, 28), count=65535)
    size = [(256, 4, 1, 28), (257, 4, 1, 28), (258, 3, 1, 8)]
    for tag in (273, 279, 258, 320, 34665, 34675):
        yield f"tag {tag} of 2^32 - 1 values", tiff(*size, (tag, 4, 2**32 - 1, 8))
    overlapping = [(tag, 7, 500_000, 400_000) for tag in range(1000, 31_000)]
    yield "30,000 tags of the same 500 kB", tiff(*size, *overlapping) + bytes(500_000)
    yield "300,000 strips", tiff(*size, (273, 4, 300_000, 8), (279, 4, 300_000, 8)) + bytes(1_200_000)
    yield "a directory that is its own next", tiff(*size)[:-4] + struct.pack("<I", 8)
    exif = b"Exif\0\0" + tiff(*[(tag, 7, 30_000, 8) for tag in range(2000, 4500)]) + bytes(20_000)
    yield "JPEG with EXIF tags over tags", b"\xff\xd8\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + b"\xff\xd9"


def animated() -> Iterator[tuple[str, bytes]]:
    frame = Image.new("L", (28, 28))
    gif = image_file(frame, "GIF")
    descriptor = gif.index(b"\x2c", 13 + 3 * 256) if b"\x2c" in gif[13 + 3 * 256 :] else gif.rindex(b"\x2c")
    yield "PNG of 80,000 chunks", png(png_chunk(b"aaAa", b"") * 80_000)
    yield "JPEG of 5,000 scans", FILES["JPEG"][:-2] + FILES["JPEG"][FILES["JPEG"].rindex(b"\xff\xda") : -2] * 5000
    yield "GIF of 5,000 frames", gif[:descriptor] + gif[descriptor:-1] * 5000 + b";"
    yield (
        "JPEG of 10,000 comments",
        FILES["JPEG"][:2] + b"\xff\xfe\0\x20" * 0 + ((b"\xff\xfe\0\x20" + bytes(30)) * 10_000) + FILES["JPEG"][2:],
    )


def image_cases() -> Iterator[Case]:
    yield from cases("image: size", itertools.chain.from_iterable(map(huge, SIDES)), SINGLE)
    yield from cases("image: text, profile", texts(), SINGLE, harmless=True)
    yield from cases("image: tags", tags(), SINGLE, harmless=True)
    yield from cases("image: many parts", animated(), SINGLE, harmless=True)
    cut = ((f"{name}, {part}/8", data[: len(data) * part // 8]) for name, data in FILES.items() for part in (1, 3, 5))
    yield from cases("image: cut", cut, SINGLE)
    other = (
        b"",
        b"hello",
        b"%PDF-1.7",
        b"GIF89a",
        MAGIC,
        b"RIFF\xff\xff\xff\xffWEBP",
        b"%!PS-Adobe-3.0 EPSF",
        bytes(784),
    )
    yield from cases("image: no image", ((repr(body[:8]), body) for body in other), SINGLE)
    yield from cases("image: too large", [("2 MiB", FILES["PNG"] + bytes(2 << 20))], SINGLE)
    odd = ((f"depth {d}, colour {c}", MAGIC + png_header(28, 28, d, c)) for d in (0, 3, 32) for c in (1, 5, 9))
    yield from cases("image: header", odd, SINGLE)
