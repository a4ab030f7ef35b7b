"""Image files that are none, lie about themselves, or unpack to more than they seem."""

import io
import struct
import zlib

import numpy as np
from PIL import Image, PngImagePlugin

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int = 28, height: int = 28, depth: int = 8, colour: int = 0, data: bytes | None = None) -> bytes:
    """A PNG by hand, whose header may say what its data does not."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = zlib.compress(bytes(29 * 28) if data is None else data)
    return SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def bad_pictures() -> dict[str, bytes]:
    """By name. None of them is a 28×28 image."""
    honest = png()
    small = Image.fromarray(np.zeros((28, 28), np.uint8))
    bad = {
        "empty": b"",
        "a byte": b"\x00",
        "text": b"seven",
        "html": b"<html><img src=7.png></html>",
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="28" height="28"/>',
        "zeros": bytes(784),
        "ones": b"\xff" * 784,
        "json": b'{"image": 7}',
        "pdf": b"%PDF-1.7\n1 0 obj\n",
        "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 28 28\n",
        "elf": b"\x7fELF" + bytes(100),
        "only the signature": SIGNATURE,
        "no header": SIGNATURE + chunk(b"IDAT", b""),
        "50,000 × 50,000": png(50_000, 50_000),
        "2^31 - 1 squared": png(2**31 - 1, 2**31 - 1),
        "28 × 2^31 - 1": png(28, 2**31 - 1),
        "0 × 0": png(0, 0),
        "27 × 28": png(27, 28),
        "29 × 28": png(29, 28),
        "depth 3": png(depth=3),
        "colour type 5": png(colour=5),
        "data that are no zlib stream": SIGNATURE + honest[8:33] + chunk(b"IDAT", b"xx") + chunk(b"IEND", b""),
        "text bomb": with_text(64 << 20),
        "colour profile bomb": SIGNATURE + honest[8:33] + chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(64 << 20))),
        "wrong checksum": honest[:29] + b"\0\0\0\0" + honest[33:],
        "BMP of 50,000 × 50,000": b"BM"
        + struct.pack("<IHHIIiiHH", 100, 0, 0, 54, 40, 50_000, 50_000, 1, 24)
        + bytes(24),
        "BMP of negative size": b"BM" + struct.pack("<IHHIIiiHH", 100, 0, 0, 54, 40, -28, -28, 1, 24) + bytes(24),
        "GIF of 65,535 × 65,535": b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0) + b";",
        "WebP without data": b"RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0\x2f\0\0\0",
        "TIFF with endless directories": b"II*\0\x08\0\0\0" + struct.pack("<HI", 0, 8),
        "TIFF with 65,535 tags": b"II*\0\x08\0\0\0\xff\xff" + bytes(600),
        "TIFF whose strip is of 4 GB": tiff_with_strip(2**32 - 1),
        "larger than a file may be": honest + bytes(2 << 20),
    }
    for kind in ("PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP"):
        whole = saved(small, kind)
        for share in (4, 2):
            bad[f"{kind} cut to 1/{share}"] = whole[: len(whole) // share]
        bad[f"{kind} of 280 × 280"] = saved(small.resize((280, 280)), kind)
        bad[f"{kind} of 1 × 1"] = saved(small.resize((1, 1)), kind)
    return bad


def with_text(size_bytes: int) -> bytes:
    """A good image with a compressed text that unpacks to `size_bytes`."""
    text = PngImagePlugin.PngInfo()
    text.add(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(size_bytes)))
    return saved(Image.new("L", (27, 27)), "PNG", pnginfo=text)


def tiff_with_strip(size_bytes: int) -> bytes:
    tags = [(256, 4, 28), (257, 4, 28), (258, 4, 8), (259, 4, 1), (262, 4, 1), (273, 4, 8), (279, 4, size_bytes)]
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + entries + bytes(4)
