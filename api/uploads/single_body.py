"""The image in the body of a request for one image: the file itself, in a form, or as base64 in JSON or text."""

import re

import msgspec

from api.images.magic import IMAGE_HEADS, has_zero_bytes
from api.uploads.base64_image import BASE64_HEAD, decode_base64, percent_decoded
from api.uploads.body import GZIP_MAGIC, without_mark
from api.uploads.content_encoding import Encoding, unpack
from api.uploads.multipart import file_of_form
from api.uploads.ndjson import JSON_ERRORS
from shared.errors import BadImage

EXPECTED = 'expected {"image": "<base64 of an image file>"}'
_FIELD = re.compile(rb"(?:^|&)image=([^&]*)")
MAX_SHOWN_KEYS = 5
MAX_KEYS_BYTES = 1 << 14  # longest JSON whose keys are shown in an error


class _Record(msgspec.Struct):
    """JSON with an image. msgspec checks other fields without keeping them in memory."""

    image: str | msgspec.UnsetType = msgspec.UNSET


def is_image_file(body: bytes) -> bool:
    """Return whether the body seems to be an image file itself, as nearly all bodies are."""
    return body.startswith(IMAGE_HEADS) and has_zero_bytes(body)


def image_of_body(body: bytes, content_type: str, encoding: Encoding, limit_bytes: int) -> bytes:
    """Return the image file in the body. An unknown body is returned as it is, to be refused by the decoder.

    Raises BadImage or BadUpload if the body has no image, and TooLarge if it unpacks to more than `limit_bytes`.
    """
    if encoding or body.startswith(GZIP_MAGIC):
        body = unpack(body, encoding or "gzip", limit_bytes)
    if is_image_file(body):
        return body
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == "multipart/form-data":
        return file_of_form(body, content_type)
    if media_type == "application/x-www-form-urlencoded" and (field := _FIELD.search(body)):
        return _from_base64(percent_decoded(field[1]).decode("latin-1"), "the field `image`")
    text = without_mark(body).lstrip()
    if text.startswith((b"{", b'"', b"[")):
        return _from_json(text)
    return _from_text(text) if BASE64_HEAD.match(text) else body


def _from_json(text: bytes) -> bytes:
    try:
        record = msgspec.json.decode(text, type=str | _Record)
    except msgspec.ValidationError as error:
        raise BadImage(f"{EXPECTED}: {error}; pixels as numbers go to /v1/models/NAME:predict") from None
    except JSON_ERRORS as error:
        raise BadImage(f"not JSON: {error}") from None
    image = record if isinstance(record, str) else record.image
    if image is msgspec.UNSET:
        raise BadImage(f"{EXPECTED}, got {_keys(text)}")
    assert isinstance(image, str), "the type says so"
    return _from_base64(image, "`image`")


def _keys(text: bytes) -> str:
    if len(text) > MAX_KEYS_BYTES:
        return "an object without `image`"
    names = list(msgspec.json.decode(text, type=dict[str, msgspec.Raw]))[:MAX_SHOWN_KEYS]
    return f"an object with the keys {', '.join(map(repr, names))}" if names else "an empty object"


def _from_text(text: bytes) -> bytes:
    return _from_base64(text.decode("latin-1"), "the body")


def _from_base64(text: str, name: str) -> bytes:
    try:
        return decode_base64(text)
    except ValueError as error:
        raise BadImage(f"{name} is not base64: {error}") from None
