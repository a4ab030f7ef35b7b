"""Hostile arrays, NDJSON, multipart and JSON ranges, for the bulk route."""

import base64
from collections.abc import Iterator

import numpy as np

from tests.api.images.test_decode import FILES
from tests.api.uploads.archives.test_members import FILES as NAMED
from tests.api.uploads.test_arrays import IMAGES, npy_of_shape, npy_with_header
from tests.api.uploads.test_multipart import BOUNDARY, CONTENT_TYPE, disposition, multipart, part
from tests.support.uploads import idx, npy
from tools.fuzz.case import Case, cases

IMAGE = base64.b64encode(FILES["PNG"])
RECORD = b'{"image":"' + IMAGE + b'"}'
END = f"--{BOUNDARY}--\r\n".encode()
SHAPES = (
    "(-1, 28, 28)", "(0, 28, 28)", "(10**9, 28, 28)", "(1000000000000, 28, 28)", f"({2**70}, 28, 28)", "(1, 28, 27)",
    "()", "(784,)", "(1.0, 28, 28)", f"({'1,' * 2000})", "'abc'", "None", f"({'9' * 5000}, 28, 28)",
)  # fmt: skip
HEADERS = (
    "", "(" * 5000, "-" * 9000 + "1", "{" * 5000, "\0" * 100, "__import__('os').abort()", "{'descr': '|O'}", "[" * 200,
    "{'descr': [('a', '|u1')], 'fortran_order': False, 'shape': (1, 28, 28)}",
    "{'descr': '|u1', 'fortran_order': True, 'shape': (1, 28, 28)}",
    f"{{'descr': '|V{2**31 - 1}', 'fortran_order': False, 'shape': (1, 28, 28)}}",
    f"{{'descr': {[('a', '|u1')] * 300}, 'fortran_order': False, 'shape': (1, 28, 28)}}"[:9000],
)  # fmt: skip


def arrays() -> Iterator[tuple[str, bytes]]:
    for shape in SHAPES:
        yield f"npy of shape {shape[:20]}", npy_of_shape(shape) + bytes(784)
    for header in HEADERS:
        yield f"npy header {header[:40]!r}", npy_with_header(header, bytes(784))
    for dtype in ("S1", "U1", "c8", "M8[s]"):
        yield f"npy of {dtype}", npy(IMAGES.astype("i8").astype(dtype))
    for name, number in {"NaN": np.nan, "infinity": np.inf, "1e300": 1e300, "-1e300": -1e300}.items():
        yield f"npy with {name}", npy(np.where(IMAGES > 99, number, IMAGES))
    yield "npy of uncertain range", npy(IMAGES.astype("i8") - 1000)
    yield "npy of objects", npy(np.full((1, 28, 28), {"a": 1}, object))
    yield "npy header of 4 GiB", b"\x93NUMPY\x02\0\xff\xff\xff\xff" + bytes(1000)
    yield "npy cut", npy(IMAGES)[:-1]
    yield "npy and more", npy(IMAGES) + b"\0"


def idxs() -> Iterator[tuple[str, bytes]]:
    for count in (0, 11, 1000, 2**32 - 1):
        yield f"idx of {count} images", b"\0\0\x08\x03" + count.to_bytes(4, "big") + idx(IMAGES)[8:]
    for kind, rank in ((8, 0), (8, 5), (8, 255), (9, 3), (0x0D, 3)):
        yield f"idx type {kind}, rank {rank}", bytes((0, 0, kind, rank)) + b"\xff" * 1020
    yield "idx cut", idx(IMAGES)[:-1]
    yield "idx and more", idx(IMAGES) + b"\0"


def lines() -> Iterator[tuple[str, bytes]]:
    for name, text in {
        "arrays in arrays": b"[" * 100_000,
        "objects in objects": b'{"image":' * 100_000,
        "NaN": b'{"image": NaN}',
        "Infinity": b'{"image": -Infinity}',
        "a huge number": b'{"image": ' + b"9" * 100_000 + b"}",
        "a huge exponent": b'{"image": 1e999999}',
        "a lone surrogate": b'{"name": "\\ud800", "image": "no"}',
        "a surrogate in UTF-8": b'{"name": "\xed\xa0\x80", "image": "no"}',
        "no UTF-8": b'{"name": "\xff", "image": "no"}',
        "NUL": bytes(1000),
        "a name that is an object": b'{"name": {"a": [1]}, "image": "no"}',
        "a name of 1 MiB": b'{"name": "' + b"x" * (1 << 20) + b'", "image": "no"}',
        "a control name": b'{"name": "\\u001b[2J\\u0000", "image": "no"}',
        "no base64": b'{"image": "!!!!"}',
        "base64 that is cut": RECORD[: len(RECORD) // 2] + b'"}',
        "an image of 1.5 MB": b'{"image": "' + base64.b64encode(bytes(1 << 20) + b"a") + b'"}',
        "the same key a thousand times": b'{"image": "no"' + b',"image": "no"' * 1000 + b"}",
    }.items():
        yield name, RECORD + b"\n" + text + b"\n" + RECORD
    yield "a line of 5 MB", b"x" * 5_000_000
    yield "5,000,000 blank lines", b"\n" * 5_000_000
    yield "100,000 lines of nothing", b"1\n" * 100_000
    yield "UTF-16", RECORD.decode().encode("utf-16")


def multiparts() -> Iterator[tuple[str, bytes]]:
    whole = multipart(NAMED[:2])
    yield "no last boundary", whole[: -len(END)]
    yield "boundary alone", END
    yield "boundary without end", f"--{BOUNDARY}".encode()
    yield "5,000 empty parts", part("X: 1", b"") * 5000 + END
    yield "5,000 parts without headers", f"--{BOUNDARY}\r\n\r\n\r\n".encode() * 5000 + END
    yield "1,000 headers in a part", part("\r\n".join(f"X-{n}: 1" for n in range(1000)), b"") + END
    yield "a header of 1 MiB", part("X: " + "x" * (1 << 20), b"") + END
    yield "a header's name of 1 MiB", part("X" * (1 << 20), b"") + END
    yield "spaces without end", part("X:" + " " * (1 << 20), b"") + END
    yield "a name of 4,000 quotes", part(disposition('"' * 4000), b"") + END
    yield "a name of 4,000 semicolons", part("Content-Disposition: " + ";" * 4000, b"") + END
    yield "a name that is not UTF-8", part("X: 1", b"").replace(b"X: 1", disposition("\xff").encode("latin-1")) + END
    yield "a name that climbs", part(disposition("../../etc/passwd"), b"no") + END
    yield "line ends without CR", whole.replace(b"\r\n", b"\n")
    yield "boundaries that nearly are", part("X: 1", f"\r\n--{BOUNDARY[:-1]}".encode() * 10_000) + END
    yield "something before", b"before" + whole
    yield "newlines before", b"\r\n" * 100_000
    yield "a part of 5 MB", part(disposition("a"), bytes(5_000_000)) + END
    yield "a header without colon", part("no colon", b"") + END
    yield "parts within a part", part(f"Content-Type: {CONTENT_TYPE}2", whole.replace(b"--", b"-")) + END
    for at in range(1, 8):
        yield f"cut at {at}/8", whole[: len(whole) * at // 8]


def ranges() -> Iterator[tuple[str, bytes]]:
    for text in (
        "", "{", "[]", "null", "1", '"a"', '{"start": NaN}', '{"start": Infinity}', '{"stop": 1e400}', "\xff",
        '{"start": ' + "9" * 4000 + "}", '{"start": ' + "[" * 2000 + "}", '{"start": -1}', '{"start": 5, "stop": 5}',
        '{"stop": 99999999999999999999}', '{"start": true}', '{"start": "0"}', '{"start": 0.5}', '{"start": {"a": 1}}',
        '{"step": 1}', '{"start": "\\ud800"}', "[" * 4000, " " * 5000, '{"start": 18446744073709551615}',
    ):  # fmt: skip
        yield repr(text[:30]), text.encode("latin-1")


def body_cases() -> Iterator[Case]:
    yield from cases("npy", arrays())
    yield from cases("idx", idxs())
    yield from cases("ndjson", lines(), content_type="application/x-ndjson")
    yield from cases("multipart", multiparts(), content_type=CONTENT_TYPE)
    for index, boundary in enumerate(("", '""', "b" * 5000, "\xff", "a;b", '"', "--")):
        content_type = f"multipart/form-data; boundary={boundary}"
        yield Case("multipart: boundary", f"{index}", multipart(NAMED[:2]), content_type=content_type)
    yield from cases("json range", ranges(), content_type="application/json")
    for content_type in ("application/zip", "application/x-tar", "application/x-npy", "application/x-idx"):
        yield from cases("another type than it says", [(content_type, b'{"a": 1}\n' * 100)], content_type=content_type)
