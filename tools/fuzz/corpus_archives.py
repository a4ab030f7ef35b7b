"""Hostile zip, tar and gzip bodies, for the bulk route."""

import bz2
import functools
import gzip
import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator

from tests.api.uploads.archives.test_members import FILES
from tests.api.uploads.test_arrays import IMAGES
from tests.support.uploads import npy, tarred, zipped
from tools.fuzz.case import Case, cases

GOOD = FILES[0][1]
NAMES = (
    "../../etc/passwd", "/etc/passwd", "C:\\windows\\7.png", "\\\\host\\7.png", "a\0b.png", "\x1b[2J.png", "a\nb.png",
    "\u202egnp.7", "é" * 20_000, "a/" * 5000 + "7.png", " ", "..", "con", "7.png\r\nX-Header: 1",
)  # fmt: skip


@functools.cache
def zeros_gzipped(mebibytes: int) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(mebibytes)) + packer.flush()


def directory(count: int, name: bytes = b"") -> bytes:
    """Return the entries of `count` empty members that the archive does not hold. Their names begin with `name`."""
    head = b"PK\x01\x02" + bytes(24) + struct.pack("<HHH", len(name) + 6, 0, 0) + bytes(12) + name
    return b"".join(head + b"%06d" % number for number in range(count))


def raw_zip(entries: int, claimed: int, size: int | None = None) -> bytes:
    """Return a directory of `entries`, and a record that declares `claimed` entries in `size` bytes."""
    content = directory(entries)
    size = len(content) if size is None else size
    return b"PK\x03\x04" + content + b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, claimed, claimed, size, 4, 0)


def zip64(entries: int, size: int | None = None, claimed: int | None = None, name: bytes = b"") -> bytes:
    """Return a zip64 archive like `raw_zip`. With a `size`, only the records are there."""
    content = directory(entries, name) if size is None else b""
    size = len(content) if size is None else size
    claimed = entries if claimed is None else claimed
    record = b"PK\x06\x06" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, claimed, claimed, size, 4)
    locator = b"PK\x06\x07" + struct.pack("<IQI", 0, 4 + len(content), 1)
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return b"PK\x03\x04" + content + record + locator + end


def zip_bomb(mebibytes: int, compression: int) -> bytes:
    """Return a zip that unpacks to far more than its few KiB suggest."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive, archive.open("bomb.png", "w") as member:
        for _ in range(mebibytes):
            member.write(bytes(1 << 20))
    return file.getvalue()


def overlapping(count: int) -> bytes:
    """Return an archive whose many entries are one file: 1 MiB of zeros each."""
    data = zipped([("a.png", bytes((1 << 20) - 10))])
    start = data.index(b"PK\x01\x02")
    end = data.index(b"PK\x05\x06")
    directory = data[start:end] * count
    return (
        data[:start] + directory + b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, count, count, len(directory), start, 0)
    )


def zip_with_changed_entry(at: int) -> bytes:
    data = bytearray(zipped(FILES))
    where = data.index(b"PK\x01\x02") + at
    data[where : where + 2] = b"\xff\x7f"
    return bytes(data)


def bad_zips() -> Iterator[tuple[str, bytes]]:
    good = zipped(FILES)
    yield "record alone", raw_zip(0, 0, 0)
    yield "record of 65,535 entries and none", raw_zip(0, 65535, 2**32 - 1)
    yield "record of a directory before the file", raw_zip(2, 2, 10**6)
    yield "record of no entry and 1,000", raw_zip(1000, 0)
    yield "zip64 of 2^63 entries", zip64(2**63, 0)
    yield "zip64 of 2^60 bytes", zip64(1, 2**60)
    yield "zip64 of 3,000,000 entries", zip64(3_000_000, 1 << 20)
    yield "120,000 entries", zip64(120_000)
    yield "record of one entry and 120,000", raw_zip(120_000, 1)
    for part in range(1, 8):
        yield f"cut at {part}/8", good[: len(good) * part // 8]
    for at in (8, 10, 16, 28, 30, 32, 42):
        yield f"entry with byte {at} changed", zip_with_changed_entry(at)


def zip_bombs() -> Iterator[tuple[str, bytes]]:
    yield "deflate, 50 MiB", zipped([("a.png", bytes(50 << 20))])
    yield "LZMA, 50 MiB", zipped([("a.png", bytes(50 << 20))], zipfile.ZIP_LZMA)
    yield "bzip2, 100 MiB", zip_bomb(100, zipfile.ZIP_BZIP2)
    yield "100 entries of one file", overlapping(100)
    yield "20,000 entries of one file", overlapping(20_000)
    yield "zip in zip in zip", zipped([("a.zip", zipped([("b.zip", zipped(FILES))]))])
    yield "gzip in zip", zipped([("a.gz", zeros_gzipped(20))])


def header(size: int = 0, kind: bytes = tarfile.REGTYPE, name: str = "a.png") -> bytes:
    """Return a tar header with a size that ustar cannot hold."""
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf(tarfile.GNU_FORMAT)


def pax(records: bytes, kind: bytes = tarfile.XHDTYPE) -> bytes:
    return header(len(records), kind) + records + bytes(-len(records) % 512)


def record(key: str, value: str) -> bytes:
    body = f" {key}={value}\n".encode()
    length = len(body) + len(str(len(body) + 1))
    length = len(body) + len(str(length))
    return str(length).encode() + body


def bad_tars() -> Iterator[tuple[str, bytes]]:
    member = header(len(GOOD)) + GOOD + bytes(-len(GOOD) % 512) + bytes(1024)
    for power in (31, 33, 40, 62, 80):
        yield f"a member of 2^{power} bytes", header(1 << power) + bytes(1024)
    yield "a negative size", header(-512) + bytes(1024)
    for size in ("9" * 20, "9" * 60, "-5", "1e9", str(1 << 62)):
        yield f"pax size {size}", pax(record("size", size)) + member
    sparse = bytearray(header(512, tarfile.GNUTYPE_SPARSE))
    yield "GNU sparse", bytes(sparse) + member
    sparse[482] = 1  # more maps follow
    sparse[148:156] = b"%06o\0 " % (256 + sum(sparse[:148]) + sum(sparse[156:]))
    yield "GNU sparse maps without end", bytes(sparse) + (b"\xff" * 512) * 2000
    yield "pax sparse 0.0", pax(record("GNU.sparse.size", "1") + record("GNU.sparse.offset", "9")) + member
    yield "pax sparse 0.1", pax(record("GNU.sparse.map", ",".join("1" * 20_000))) + member
    yield "pax sparse 1.0", pax(record("GNU.sparse.major", "1") + record("GNU.sparse.minor", "0")) + member
    yield "pax digits without end", pax(record("comment", "1" * 60_000)) * 5 + member
    yield "pax records that overlap", pax(b"3 " * 15_000 + b"x=") * 5 + member
    yield "pax charset that is none", pax(b"20 hdrcharset=\xff\xfe\xff\n") + member
    yield "pax length of zero", pax(b"0 a=b\n") + member
    yield "pax length of many digits", pax(b"9" * 5000 + b" a=b\n") + member
    yield (
        "100 global headers",
        b"".join(pax(record(f"k{n}", "v"), tarfile.XGLTYPE) + header() for n in range(100)) + member,
    )
    for kind in (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK):
        yield f"a chain of 5,000 {kind!r}", (header(1, kind) + bytes(512)) * 5000 + member
        yield f"{kind!r} of 10 MiB", header(10 << 20, kind) + b"a" * (10 << 20) + member
    whole = tarred(FILES, tarfile.USTAR_FORMAT)
    for part in range(1, 5):
        yield f"cut at {part}/8", whole[: len(whole) * part // 8]
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE):
        yield f"nothing but type {kind!r}", header(0, kind) + bytes(1024)


def bad_gzips() -> Iterator[tuple[str, bytes]]:
    data = gzip.compress(npy(IMAGES))
    for part in range(1, 8):
        yield f"cut at {part}/8", data[: len(data) * part // 8]
    yield "200 MiB of zeros", zeros_gzipped(200)
    yield "gzip in gzip", gzip.compress(data)
    yield "gzip in gzip in gzip of zeros", gzip.compress(gzip.compress(zeros_gzipped(100)))
    yield "10,000 empty members", gzip.compress(b"") * 10_000
    yield "rubbish after the member", data + b"rubbish"
    yield "bzip2", bz2.compress(npy(IMAGES))
    yield "a name without end", b"\x1f\x8b\x08\x08" + bytes(6) + b"a" * (1 << 20)
    yield "50 MiB of blank lines", gzip.compress(b"{\n" + b"\n" * (50 << 20))


def archive_cases() -> Iterator[Case]:
    yield from cases("zip: damaged, lying", bad_zips())
    sizes = ((f"entry with another size at {at}", zip_with_changed_entry(at)) for at in (20, 24))
    yield from cases("zip: damaged, lying", sizes, harmless=True)
    yield from cases("zip: bombs", zip_bombs())
    yield from cases("tar: damaged, lying", bad_tars(), content_type="application/x-tar")
    yield from cases("gzip", bad_gzips())
    for way, pack in (("zip", zipped), ("tar", tarred)):
        names = ((repr(name)[:20], pack([(name, GOOD), ("none.png", b"no image")])) for name in NAMES)
        yield from cases(f"{way}: names", names)
    surrogate = tarred([("7.png", GOOD)], tarfile.USTAR_FORMAT)
    broken = surrogate.replace(b"7.png", b"\xff\xfe.pn", 1)
    name = header(4, tarfile.GNUTYPE_LONGNAME) + b"\xff\xed\xa0\x80" + bytes(508) + surrogate
    yield from cases("tar: names", [("not UTF-8, checksum broken", broken)])
    yield from cases("tar: names", [("not UTF-8", name)], harmless=True)
