"""Inputs whose cost is far out of proportion to their size, or to what they are for."""

import gzip
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping

import numpy as np
from PIL import Image

from tests.support.uploads import idx, image_file, npy, zipped
from tools.fuzz.case import BULK, SINGLE, Case, cases
from tools.fuzz.corpus_archives import zip_bomb
from tools.fuzz.corpus_images import bmp_of_run_lengths, png_chunk

FIT = f"{SINGLE}?fit=digit"
FIT_BULK = f"{BULK}?fit=digit"
V1, V2 = "/v1/models/cnn:predict", "/v2/models/cnn/infer"
SIDE = 4096
MIB = 1 << 20


def picture(mode: str, file_format: str = "PNG", side: int = SIDE, **options: object) -> bytes:
    """Return a picture of one colour."""
    return image_file(Image.new(mode, (side, side)), file_format, **options)


def exif_of_numbers(kind: int, count: int, size_bytes: int, tag: int = 0x9C9B) -> bytes:
    """Return the EXIF of a picture that was turned, with another tag of many numbers."""
    tags = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0) + struct.pack("<HHII", tag, kind, count, 38)
    return b"II*\0" + struct.pack("<IH", 8, 2) + tags + bytes(4) + b"\1\2" * (count * size_bytes // 2)


def pictures_with_exif() -> Iterator[tuple[str, bytes]]:
    plain = image_file(Image.linear_gradient("L").resize((28, 28)))
    for kind, size_bytes, name in ((3, 2, "SHORT"), (4, 4, "LONG"), (5, 8, "RATIONAL")):
        chunk = png_chunk(b"eXIf", exif_of_numbers(kind, 8_000_000 // size_bytes, size_bytes))
        yield f"PNG, EXIF with 8 MB of {name}", plain[:33] + chunk + plain[33:]
    exif = exif_of_numbers(5, 1_000_000, 8, tag=0x011A)  # XResolution, which Pillow reads at once
    parts = [exif[at : at + 60_000] for at in range(0, len(exif), 60_000)]
    segments = b"".join(b"\xff\xe1" + struct.pack(">H", 8 + len(part)) + b"Exif\0\0" + part for part in parts)
    jpeg = image_file(Image.linear_gradient("L").resize((28, 28)), "JPEG")
    yield "JPEG, EXIF with 8 MB of RATIONAL", jpeg[:2] + segments + jpeg[2:]


def large_pictures() -> Iterator[tuple[str, bytes]]:
    for mode in ("L", "RGB", "RGBA", "LA", "P", "1", "I;16"):
        yield f"PNG, 4096×4096, {mode}", picture(mode)
    yield "PNG, 4096×4096, P, transparent", picture("P", transparency=0)
    yield "PNG, 4096×4096, RGBA, interlaced", picture("RGBA")
    yield (
        "JPEG, 4032×3024, progressive",
        image_file(Image.new("RGB", (4032, 3024)), "JPEG", progressive=True, subsampling=0),
    )
    yield "JPEG, 8000×6000", image_file(Image.new("RGB", (8000, 6000)), "JPEG")
    yield (
        "JPEG, 8000×6000, progressive",
        image_file(Image.new("RGB", (8000, 6000)), "JPEG", progressive=True, subsampling=0),
    )
    for mode in ("F", "I", "I;16", "RGBA", "CMYK"):
        yield f"TIFF, 4096×4096, {mode}", picture(mode, "TIFF", compression="tiff_adobe_deflate")
    yield "GIF, 4096×4096", picture("P", "GIF")
    yield "BMP, 8,000,000 run lengths", bmp_of_run_lengths(8_000_000)
    for mode in ("RGB", "RGBA"):
        yield f"WebP, 4096×4096, {mode}", picture(mode, "WEBP", lossless=True)
    noise = np.random.default_rng(0).integers(0, 256, (1000, 1000), np.uint8)
    yield "PNG, 1000×1000, noise", image_file(Image.fromarray(noise))
    stripes = np.zeros((2048, 2048), np.uint8)
    stripes[::4, ::2] = 255
    yield "PNG, 2048×2048, stripes", image_file(Image.fromarray(stripes))


def costly_archives() -> Iterator[tuple[str, bytes]]:
    yield "zip, LZMA, 300 MiB", zip_bomb(300, zipfile.ZIP_LZMA)
    yield "zip, 30 large pictures", zipped((f"{n}.png", picture("RGBA")) for n in range(30))
    yield "zip, 3,000 names of 1,000 folders", zipped(("d/" * 1000 + f"{n}.png", b"?") for n in range(3000))
    yield "zip, 150 members of 1 MiB of zeros", zipped((f"{n}.png", bytes(MIB)) for n in range(150))


def rows(mebibytes: float, pixel: bytes = b"0") -> bytes:
    """Return rows of JSON of images that have a contrast."""
    row = b"[" + b",".join([pixel] * 783) + b",255]"
    return b",".join([row] * max(1, int(mebibytes * MIB / len(row))))


def costly_json() -> Iterator[tuple[str, bytes]]:
    """Yield bodies of `/v1/…:predict`, from those that are within the bound to those far above it."""
    yield "JSON, 58 MB of images", b'{"instances": [' + rows(58) + b"]}"
    yield "JSON, 7.9 MB of images", b'{"instances": [' + rows(7.9) + b"]}"
    yield "JSON, 7.9 MB of fractions", b'{"instances": [' + rows(7.9, b"0.12345678901") + b"]}"
    for name, element in (
        ("one list", b"0,"),
        ("brackets", b"[],"),
        ("empty objects", b"{},"),
        ("named", b'{"images":1},'),
    ):
        yield f"JSON, 7.9 MB of {name}", b'{"instances": [' + element * int(7.9 * MIB / len(element)) + b"0]}"
    names = b",".join(b'"%07d":1' % number for number in range(int(7.9 * MIB / 12)))
    yield "JSON, 7.9 MB of names", b"{" + names + b"}"
    for name, byte in (("text", b"x"), ("spaces", b" ")):
        yield f"JSON, 7.9 MB of {name}", b'{"instances": "' + byte * int(7.9 * MIB) + b'"}'
    yield "JSON, 7.9 MB of one number", b'{"instances": [[' + b"9" * int(7.9 * MIB) + b"]]}"
    yield "JSON, a million brackets deep", b'{"instances": ' + b"[" * MIB
    yield "JSON, 500,000 objects deep", b'{"a":' * (MIB // 2)


def v2_json(data: bytes, datatype: str = "FP32", shape: str = "[1,784]") -> bytes:
    return b'{"inputs":[{"name":"images","datatype":"%s","shape":%s,"data":[%s]}]}' % (
        datatype.encode(),
        shape.encode(),
        data,
    )


def v2_binary(dtype: str, datatype: str, mebibytes: float) -> tuple[bytes, int]:
    """Return a body of images in the binary extension, and the length of its JSON. Floats have a mean of zero."""
    count = int(mebibytes * MIB) // (784 * np.dtype(dtype).itemsize)
    image = np.full(784, 255) if dtype == "u1" else np.linspace(-1.7, 1.7, 784)
    image[:392] *= dtype != "u1"
    tensor = np.tile(image.astype(dtype), count).tobytes()
    parameters = b'"parameters":{"binary_data_size":%d}' % len(tensor)
    shape = b'"shape":[%d,784]' % count
    head = b'{"inputs":[{"name":"images","datatype":"%s",%s,%s}]}' % (datatype.encode(), shape, parameters)
    return head + tensor, len(head)


def json_of_v1() -> Iterator[Case]:
    yield from cases("costly: JSON of v1", costly_json(), V1, harmless=True)


def json_of_v2() -> Iterator[Case]:
    for name, body in costly_json():
        data = v2_json(body.partition(b": [")[2].removesuffix(b"]}"))
        yield Case("costly: JSON of v2", name, data, V2, harmless=True)


def costly_gzip() -> Iterator[Case]:
    for name, body in (("JSON of images", b'{"instances": [' + rows(60) + b"]}"), ("zeros", bytes(200 * MIB))):
        packed = gzip.compress(body, 1)
        for path in (V1, V2):
            yield Case(
                "costly: gzip",
                f"gzip, {len(body) >> 20} MiB of {name}",
                packed,
                path,
                harmless=True,
                headers={"Content-Encoding": "gzip"},
            )


def costly_tensors() -> Iterator[Case]:
    for dtype, datatype in (("u1", "UINT8"), ("f2", "FP16"), ("f4", "FP32"), ("f8", "FP64")):
        for mebibytes in (29, 63):
            body, split = v2_binary(dtype, datatype, mebibytes)
            headers = {"Inference-Header-Content-Length": str(split)}
            yield Case("costly: tensors", f"{datatype}, {mebibytes} MiB", body, V2, harmless=True, headers=headers)


def costly_lines() -> Iterator[tuple[str, bytes]]:
    yield "NDJSON, a line of 1.3 MB of one number", b"[" + b"9" * 1_300_000 + b"]\n"
    yield "NDJSON, a line of 1.3 MB of brackets", b"[" + b"[]," * 430_000 + b"[]]\n"
    yield "NDJSON, a line of 1.3 MB of names", b"{" + b",".join(b'"%06d":1' % n for n in range(110_000)) + b"}\n"
    yield "NDJSON, 20 lines of 1.3 MB of zeros", (b"[" + b"0," * 650_000 + b"0]\n") * 20
    yield "NDJSON, a million lines", b'""\n' * 1_000_000


def costly_arrays() -> Iterator[tuple[str, bytes]]:
    yield "npy, 40 MiB", npy(np.zeros((53_000, 28, 28), np.uint8))
    yield "idx, gzip of 150 MiB", gzip.compress(idx(np.zeros((200_000, 28, 28), np.uint8)), 1)


def npz(header: bytes, body: bytes = b"") -> bytes:
    return zipped([("x_test.npy", header + body)])


def costly_npz() -> Iterator[tuple[str, bytes]]:
    good = npy(np.zeros((2, 28, 28), np.uint8))
    yield "npz, a lying shape", npz(good.replace(b"(2, 28, 28)", b"(9999999999, 28, 28)"))
    yield "npz, 200 MiB of zeros", npz(npy(np.zeros((267_000, 28, 28), np.uint8)))
    yield "npz, float64", npz(npy(np.zeros((40_000, 28, 28), np.float64)))
    yield "npz, LZMA", zipped([("x.npy", npy(np.zeros((200_000, 28, 28), np.uint8)))], zipfile.ZIP_LZMA)
    yield "npz, 10,000 arrays", zipped((f"{n}.npy", good[:-1]) for n in range(10_000))


def costly_forms() -> Iterator[Case]:
    part = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n'
    parts = part * 200_000 + b"--x--\r\n"
    line_ends = part[:-2].replace(b'"a"', b'"a"; filename="a"') + b"\r\n" * 4_000_000 + b"\r\n--x--\r\n"
    for path in (SINGLE, BULK):
        for name, body in (("200,000 empty fields", parts), ("8 MB of line ends", line_ends)):
            yield Case("costly: forms", name, body, path, "multipart/form-data; boundary=x", harmless=True)
    for name, body in (
        ("2,600,000 escapes", b"image=" + b"%41" * 2_600_000),
        ("a data: URI of 2,600,000 escapes", b"image=data%3Aimage%2Fpng%2C" + b"%2541" * 1_600_000),
        ("8 MB of base64", b"image=iVBORw0K" + b"A" * 8_000_000),
    ):
        yield Case("costly: forms", name, body, SINGLE, "application/x-www-form-urlencoded")
    yield Case("costly: forms", "JSON, 8 MB of base64", b'{"image":"' + b"A" * 8_000_000 + b'"}', SINGLE)
    yield Case("costly: forms", "JSON, 8 MB of brackets", b"[" * 8_000_000, SINGLE)


def costly_pictures() -> Iterator[Case]:
    yield from cases("costly: pictures", large_pictures(), FIT, harmless=True)
    yield from cases("costly: pictures", pictures_with_exif(), SINGLE, harmless=True)
    zipped_one = ("bulk: PNG, 4096×4096, RGBA", zipped([("a.png", picture("RGBA"))]))
    yield from cases("costly: pictures", [zipped_one], FIT_BULK, harmless=True)


def costly_uploads() -> Iterator[Case]:
    yield from cases("costly: archives", costly_archives(), harmless=True)
    yield from cases(
        "costly: archives", ((f"fit: {name}", body) for name, body in costly_archives()), FIT_BULK, harmless=True
    )


# Building a group takes seconds, so the groups that were not asked for are not built.
COSTLY: Mapping[str, Callable[[], Iterator[Case]]] = {
    "costly: pictures": costly_pictures,
    "costly: archives": costly_uploads,
    "costly: JSON of v1": json_of_v1,
    "costly: JSON of v2": json_of_v2,
    "costly: gzip": costly_gzip,
    "costly: tensors": costly_tensors,
    "costly: lines": lambda: cases("costly: lines", costly_lines(), content_type="application/x-ndjson", harmless=True),
    "costly: arrays": lambda: cases("costly: arrays", costly_arrays(), harmless=True),
    "costly: npz": lambda: cases("costly: npz", costly_npz(), harmless=True),
    "costly: forms": costly_forms,
}
