import base64
import gzip
import json
import textwrap
from typing import Any
from urllib.parse import quote

import pytest

from api.images.decode import decode_image
from api.uploads.single_body import image_of_body, is_image_file
from shared.errors import BadImage, BadUpload
from tests.api.images.test_decode import FILES
from tests.api.uploads.test_multipart import BOUNDARY, CONTENT_TYPE, part

FILE = FILES["PNG"]
# Bytes whose base64 has all special characters, in each position.
TEXT = base64.b64encode(FILE).decode()
URL_SAFE = base64.urlsafe_b64encode(FILE).decode()
END = f"--{BOUNDARY}--\r\n".encode()
FORM_FILE = part('Content-Disposition: form-data; name="image"; filename="7.png"\r\nContent-Type: image/png', FILE)
FORM_TEXT = part('Content-Disposition: form-data; name="note"', b"hello")
FORM_EMPTY = part('Content-Disposition: form-data; name="other"; filename=""', b"")
CURL = "application/x-www-form-urlencoded"


def read(body: bytes, content_type: str = "", limit_bytes: int = 1 << 20) -> bytes:
    return image_of_body(body, content_type, "", limit_bytes)


def record(image: Any) -> bytes:
    return json.dumps({"more": [1, {"a": 2}], "image": image}).encode()


ACCEPTED: dict[str, tuple[bytes, str]] = {
    "a form": (FORM_FILE + END, CONTENT_TYPE),
    "the first file of a form": (
        FORM_TEXT + FORM_EMPTY + FORM_FILE + FORM_FILE.replace(FILE, b"no") + END,
        CONTENT_TYPE,
    ),
    "a form with a blob": (part('Content-Disposition: form-data; name="image"', FILE) + END, CONTENT_TYPE),
    "a form with base64": (
        part(
            'Content-Disposition: form-data; name="a"; filename="a"\r\nContent-Transfer-Encoding: base64', TEXT.encode()
        )
        + END,
        CONTENT_TYPE,
    ),
    "a text field with base64": (
        FORM_TEXT + part('Content-Disposition: form-data; name="image"', TEXT.encode()) + END,
        CONTENT_TYPE,
    ),
    "a text field with a data: URI": (
        part('Content-Disposition: form-data; name="x"', f"data:image/png;base64,{TEXT}".encode()) + END,
        CONTENT_TYPE,
    ),
    "JSON": (record(TEXT), "application/json"),
    "JSON by curl": (record(TEXT), CURL),
    "JSON with a byte order mark": (b"\xef\xbb\xbf\r\n" + record(TEXT), "application/json; charset=utf-8"),
    "a JSON string": (json.dumps(TEXT).encode(), "application/json"),
    "a data: URI": (record(f"data:image/png;base64,{TEXT}"), "application/json"),
    "URL-safe": (record(URL_SAFE), "application/json"),
    "URL-safe without padding": (record(URL_SAFE.rstrip("=")), "application/json"),
    "wrapped": (record("\r\n".join(textwrap.wrap(TEXT, 76)) + "\n"), "application/json"),
    "a data: URI as text": (f"DATA:image/png;base64,{TEXT}".encode(), "text/plain"),
    "a percent-encoded data: URI": (b"data:image/png," + quote(FILE).encode(), "text/plain"),
    "base64 as text": ("\n".join(textwrap.wrap(TEXT, 64)).encode(), CURL),
    "a field": (b"model=cnn&image=" + quote(TEXT, safe="").encode(), CURL),
    "a field whose plus signs are not encoded": (b"image=" + TEXT.encode(), CURL),
    "gzip": (gzip.compress(FILE), "image/png"),
    "gzipped JSON": (gzip.compress(record(TEXT)), "application/json"),
    "the file": (FILE, "image/png"),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_an_image_is_found_however_it_is_sent(name: str) -> None:
    assert read(*ACCEPTED[name]) == FILE


@pytest.mark.parametrize("name", FILES)
def test_every_format_may_be_base64(name: str) -> None:
    assert is_image_file(FILES[name])
    assert read(base64.b64encode(FILES[name])) == FILES[name]
    assert read(FORM_FILE.replace(FILE, FILES[name]) + END, CONTENT_TYPE) == FILES[name]


REFUSED: dict[str, tuple[bytes, str, str]] = {
    "another key": (b'{"img": "", "b": 1}', "", "<base64 of an image file>\"}, got an object with the keys 'img', 'b'"),
    "an empty object": (b"{}", "", "got an empty object"),
    "numbers": (b'{"image": [[0, 1]]}', "", "pixels as numbers go to /v1/models/NAME:predict"),
    "a list": (b"[1]", "", r"expected \{\"image\""),
    "damaged JSON": (b'{"image": ', "", "not JSON"),
    "no base64": (b'{"image": "7.png"}', "", "`image` is not base64: .*; the text begins with '7.png'"),
    "a URL": (b'{"image": "https://example.com/7.png"}', "", "this is a URL; send the image itself"),
    "a form without files": (FORM_TEXT + FORM_EMPTY + END, CONTENT_TYPE, "only the fields 'note', 'other': send each"),
    "half a form": (FORM_FILE, CONTENT_TYPE, "ends too early"),
    "a form of many fields": (FORM_TEXT * 3000 + END, CONTENT_TYPE, "more than 1000 fields before its first file"),
    "curl -d": (FILE.translate(None, b"\r\n\0"), CURL, "which `curl -d` removes: use --data-binary @FILE"),
    "curl -d of a JPEG": (FILES["JPEG"].translate(None, b"\r\n\0"), CURL, "which `curl -d` removes"),
    "bytes as text": (FILE.decode("utf-8", "replace").encode(), "text/plain", "an image that was sent as text"),
    "latin-1 as text": (FILE.decode("latin-1").encode(), "text/plain", "an image that was sent as text"),
    "HEIC": (b"\0\0\0\x18ftypheic" + bytes(99), "image/heic", "a HEIC or AVIF photo: save it as JPEG"),
    "PDF": (b"%PDF-1.7\n\0", "", "it is a PDF: save it as PNG or JPEG"),
    "a gzipped file in a form": (
        FORM_FILE.replace(FILE, gzip.compress(FILE)) + END,
        CONTENT_TYPE,
        "it is gzipped: send",
    ),
    "SVG": (b"\n<svg xmlns=''>\0", "", "it is an SVG"),
    "a zip": (b"PK\x03\x04" + bytes(99), "", "send many images to /mnist/classify/bulk"),
    "a name of a file": (b"my/7.png", CURL, "the name of a file, .* which curl sends with --data-binary @my/7.png"),
    "text": (b"hello", CURL, "it is text"),
    "raw pixels": (bytes(784), "", "784 bytes may be raw pixels: send them as an .npy array"),
    "an array": (b"\x93NUMPY\1\0" + bytes(99), "", "an .npy array: send many images to /mnist/classify/bulk"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_body_without_an_image_is_refused_and_says_what_to_send(name: str) -> None:
    body, content_type, reason = REFUSED[name]
    with pytest.raises((BadImage, BadUpload), match=reason):
        decode_image(read(body, content_type))


@pytest.mark.parametrize("text", [b'{"a": ' * 100_000, b'{"image": ' + b"[" * 100_000, b"[" * 100_000, b'{"a":1,' * 9])
def test_deep_and_damaged_json_is_refused(text: bytes) -> None:
    with pytest.raises(BadImage):
        read(text)
