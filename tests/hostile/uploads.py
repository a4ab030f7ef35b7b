"""Bulk bodies that are broken, lie about themselves, or unpack to more than they seem."""

import gzip
import io
import tarfile
import zipfile

import numpy as np
import orjson

from tests.hostile.pictures import bad_pictures, png

MB = 1 << 20
BOUNDARY = "b"
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"

Upload = tuple[str, bytes]  # Content-Type, body


def zipped(files: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return file.getvalue()


def tarred(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


def member(name: str, data: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, data


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def npy_header(text: str) -> bytes:
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode("latin-1")


def zips() -> dict[str, bytes]:
    honest = zipped({"7.png": png()})
    return {
        "empty": zipped({}),
        "only folders": zipped({"digits/": b""}),
        "cut": honest[:-10],
        "without its beginning": honest[20:],
        "only its magic": b"PK\x03\x04",
        "only its end": b"PK\x05\x06" + bytes(18),
        "an end that says 65,535 entries": b"PK\x05\x06" + b"\xff" * 16 + bytes(2),
        "bomb": zipped({f"{number}.png": bytes(MB) for number in range(40)}),
        "nested": zipped({"inner.zip": zipped({"inner.zip": honest})}),
        "path tricks": zipped({"../../../tmp/escaped.png": b"x", "/etc/passwd": b"x", "C:\\7.png": b"x"}),
        "names of 60,000 characters": zipped({"n" * 60_000: b"x"}),
        "no images": zipped({"readme.txt": b"hello", "7.png.txt": b"7"}),
        "bad images": zipped({f"{name}.png": data for name, data in bad_pictures().items() if len(data) < 100_000}),
        "an unknown method": honest.replace(b"\x08\x00", b"\x63\x00"),
        "encrypted": honest.replace(b"PK\x01\x02\x14\x03\x14\x00\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01\x00"),
    }


def tars() -> dict[str, bytes]:
    honest = tarred(member("7.png", png()))
    return {
        "empty": tarred(),
        "cut": honest[:700],
        "with a wrong checksum": honest[:148] + b"0000000\0" + honest[156:],
        "that says 8 GB": tarred(member("7.png"))[:124] + b"77777777777\0" + honest[136:],
        "of links": tarred(member("7.png", type=tarfile.SYMTYPE, linkname="/etc/passwd")),
        "of devices": tarred(member("7.png", type=tarfile.CHRTYPE)),
        "sparse of 2^50 bytes": tarred(
            member("7.png", pax_headers={"GNU.sparse.size": str(1 << 50), "GNU.sparse.map": "0,0"})
        ),
        "with a name of 100,000 characters": tarred(member("n" * 100_000, b"x")),
        "path tricks": tarred(member("../../../tmp/escaped.png", b"x"), member("/etc/passwd", b"x")),
        "nested": tarred(member("inner.tar", honest)),
        "with a name that is no text": tarred(member("7\udcff.png", b"x")),
    }


def arrays() -> dict[str, bytes]:
    images = np.zeros((3, 28, 28), np.uint8)
    good = npy(images)
    headers = {
        "negative": "{'descr': '|u1', 'fortran_order': False, 'shape': (-1, 28, 28)}\n",
        "of 10^18": "{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000000000000, 28, 28)}\n",
        "of true": "{'descr': '|u1', 'fortran_order': False, 'shape': (True, 28, 28)}\n",
        "of floats": "{'descr': '|u1', 'fortran_order': False, 'shape': (3.0, 28, 28)}\n",
        "code": "__import__('os').system('true')\n",
        "nested": "(" * 5000 + ")" * 5000,
        "without a shape": "{'descr': '|u1', 'fortran_order': False}\n",
        "no literal": "{'descr': \n",
        "of an unknown type": "{'descr': '|zz', 'fortran_order': False, 'shape': (3, 28, 28)}\n",
        "in latin": "ÿ" * 100,
    }
    wrong = {
        "objects": npy(np.array([{"a": 1}] * 3, object)),
        "float64": npy(images.astype(np.float64)),
        "int64": npy(images.astype(np.int64)),
        "a structure": npy(np.zeros(3, [("pixels", np.uint8, (28, 28))])),
        "in Fortran order": npy(np.asfortranarray(images)),
        "27 wide": npy(np.zeros((3, 28, 27), np.uint8)),
        "no images": npy(np.zeros((0, 28, 28), np.uint8)),
        "a number": npy(np.array(7, np.uint8)),
        "text": npy(np.array(["seven"])),
        "cut": good[:-1],
        "with more after it": good + b"\0",
        "only its magic": b"\x93NUMPY",
        "of version 9": b"\x93NUMPY\x09\x00" + good[8:],
        "with a header of 4 GB": b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + bytes(100),
    }
    return wrong | {f"header {name}": npy_header(text) for name, text in headers.items()}


def idx_files() -> dict[str, bytes]:
    def idx(*lengths: int, kind: int = 8, data: bytes = b"") -> bytes:
        return bytes([0, 0, kind, len(lengths)]) + b"".join(n.to_bytes(4, "big") for n in lengths) + data

    return {
        "that says 4 billion images": idx(2**32 - 1, 28, 28),
        "of another size": idx(1, 32, 32, data=bytes(1024)),
        "of floats": idx(1, 28, 28, kind=0x0D, data=bytes(4 * 784)),
        "of labels": idx(10, data=bytes(10)),
        "without images": idx(0, 28, 28),
        "cut": idx(2, 28, 28, data=bytes(1000)),
        "with more after it": idx(1, 28, 28, data=bytes(785)),
        "of 255 dimensions": bytes([0, 0, 8, 255]) + bytes(20),
        "without a header": bytes([0, 0, 8]),
    }


def lines() -> dict[str, bytes]:
    deep = b"[" * 5000 + b"]" * 5000
    return {
        "of no JSON": b"{\n{\n",
        "with NaN": b'{"image": NaN}\n{"image": Infinity}\n',
        "with a huge number": b'{"image": ' + b"9" * 5000 + b"}\n",
        "nested": b'{"image": ' + deep + b"}\n",
        "with a lone surrogate": b'{"image": "", "name": "\\ud800"}\n',
        "that are no UTF-8": b'{"image": "\xff\xfe"}\n',
        "that are too long": b'{"image": "' + b"A" * (2 * MB) + b'"}\n',
        "of nothing": b'"' + b"\n" * 100_000,
        "of other types": b'{"image": 7}\n{"image": null}\n{"image": ["AA"]}\n{}\n',
        "of no base64": b'{"image": "%%%"}\n',
        "of base64 of no image": b'{"image": "c2V2ZW4="}\n',
        "with names of other types": b'{"image": "c2V2ZW4=", "name": {"a": [1]}}\n',
        "with a null byte": b'{"image": "\x00"}\n',
        "with the same key twice": b'{"image": "c2V2ZW4=", "image": 7}\n',
    }


def forms() -> dict[str, Upload]:
    def part(headers: str, data: bytes = b"x") -> bytes:
        return f"--{BOUNDARY}\r\n{headers}\r\n\r\n".encode() + data + b"\r\n"

    end = f"--{BOUNDARY}--\r\n".encode()
    named = 'Content-Disposition: form-data; name="f"; filename="7.png"'
    return {
        "without a boundary": ("multipart/form-data", part(named) + end),
        "with an empty boundary": ("multipart/form-data; boundary=", part(named) + end),
        "with a boundary of 10,000 characters": (f"multipart/form-data; boundary={'b' * 10_000}", part(named) + end),
        "with another boundary": ("multipart/form-data; boundary=c", part(named) + end),
        "without an end": (MULTIPART, part(named)),
        "cut within a header": (MULTIPART, part(named)[:20]),
        "of 20,000 empty parts": (MULTIPART, part("Content-Disposition: form-data", b"") * 20_000 + end),
        "with a header of 100 kB": (MULTIPART, part(f"{named}\r\nX: {'y' * 100_000}") + end),
        "with 5,000 headers": (MULTIPART, part(named + "\r\nX: y" * 5000) + end),
        "with a header without a colon": (MULTIPART, part("Content-Disposition") + end),
        "with path tricks": (MULTIPART, part('Content-Disposition: form-data; filename="../../etc/passwd"') + end),
        "with a name that is no text": (
            MULTIPART,
            part("Content-Disposition: form-data; filename*=utf-8''%ff%fe") + end,
        ),
        "that is only its end": (MULTIPART, end),
        "that is no form": (MULTIPART, b"seven"),
        "that is empty": (MULTIPART, b""),
    }


def packed() -> dict[str, bytes]:
    good = gzip.compress(npy(np.zeros((3, 28, 28), np.uint8)))
    return {
        "bomb of 40 MB": gzip.compress(bytes(40 * MB)),
        "bomb of an array": gzip.compress(npy(np.zeros((60_000, 28, 28), np.uint8))),
        "bomb in a bomb": gzip.compress(gzip.compress(bytes(40 * MB))),
        "cut": good[:-5],
        "damaged": good[:20] + b"\0\0\0" + good[23:],
        "with a wrong checksum": good[:-8] + bytes(8),
        "only its magic": b"\x1f\x8b",
        "of nothing": gzip.compress(b""),
        "of rubbish": gzip.compress(b"seven"),
    }


def ranges() -> dict[str, bytes]:
    return {
        "no JSON": b"{",
        "NaN": b'{"start": NaN}',
        "floats": b'{"start": 0.5, "stop": 2}',
        "huge": b'{"start": 0, "stop": ' + b"9" * 400 + b"}",
        "backwards": b'{"start": 5, "stop": 1}',
        "negative": b'{"start": -1, "stop": 1}',
        "text": b'{"start": "0"}',
        "true": b'{"start": true}',
        "a list": b"[0, 1]",
        "null": b"null",
        "another key": b'{"begin": 0}',
        "nested": orjson.dumps({"start": [[[[0]]]]}),
        "deep": b"[" * 2000 + b"]" * 2000,
        "long": b" " * 5000,
        "empty": b"",
    }


def bad_uploads() -> dict[str, dict[str, Upload]]:
    """Class -> name -> upload."""
    return {
        "zip": {name: ("application/zip", body) for name, body in zips().items()},
        "tar": {name: ("application/x-tar", body) for name, body in tars().items()},
        "npy": {name: ("application/x-npy", body) for name, body in arrays().items()},
        "idx": {name: ("application/x-idx", body) for name, body in idx_files().items()},
        "ndjson": {name: ("application/x-ndjson", body) for name, body in lines().items()},
        "multipart": forms(),
        "gzip": {name: ("application/octet-stream", body) for name, body in packed().items()},
        "range": {name: ("application/json", body) for name, body in ranges().items()},
        "unknown": {
            "nothing": ("", b""),
            "text": ("text/plain", b"seven"),
            "rubbish": ("application/octet-stream", bytes(range(256)) * 40),
            "xml": ("application/xml", b"<images/>"),
            "a type of 5,000 characters": ("x" * 5000, b"seven"),
            "rar": ("application/vnd.rar", b"Rar!\x1a\x07\x00"),
        },
    }
