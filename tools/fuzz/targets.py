"""The fuzz targets: each accepts any bytes and raises every error except the documented ones."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable

import orjson

from api.images.decode import decode_image
from api.images.fit import fit_picture
from api.routes.compat.tensors import images_of
from api.routes.compat.v1 import parse_predict
from api.routes.compat.v2_tensors import parse_request
from api.uploads import Limits, read_upload
from api.versions.layers import layers_json
from shared.contract.block.codec import decode_block
from shared.contract.entry.codec import decode_entry
from shared.contract.layers_blob import decode_layers
from shared.errors import BadImage, EntryError, RequestError
from shared.shapes import axes_of
from tests.api.images.test_decode import FILES
from tests.api.uploads.test_uploads import CONTENT_TYPES, UPLOADS
from tests.shared.contract.test_block import HEADER as BLOCK_HEADER
from tests.shared.contract.test_block import packed
from tests.shared.contract.test_entry import HEADER, PIXELS
from tests.shared.contract.test_layers_blob import HEADER as LAYERS_HEADER
from tests.shared.contract.test_layers_blob import packed_layers

LIMITS = Limits(chunk_images=4, job_images=50, image_bytes=5000, upload_bytes=1 << 20, unpack_ratio=200)
MAX_FIT_PIXELS = 1 << 18
Target = Callable[[bytes], None]


def image(data: bytes) -> None:
    try:
        pixels = decode_image(data)
    except BadImage as error:
        check_reply(error)
        return
    assert len(pixels) == 784, "another number of pixels"


def fit(data: bytes) -> None:
    try:
        pixels = fit_picture(data, MAX_FIT_PIXELS)
    except BadImage as error:
        check_reply(error)
        return
    assert len(pixels) == 784, "another number of pixels"
    assert max(pixels) > 100, "a digit without ink"


def check_reply(error: RequestError) -> None:
    assert 400 <= error.status < 500, "the client's fault has another status"
    assert orjson.dumps(error.detail), "a reason that cannot be sent"


def upload(data: bytes, content_type: str) -> None:
    try:
        asyncio.run(_read(data, content_type))
    except RequestError as error:
        check_reply(error)


async def _read(data: bytes, content_type: str) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(data), 1000):
            yield data[start : start + 1000]

    total = 0
    async for chunk in read_upload(pieces(), content_type, LIMITS):
        total += chunk.count
        assert 0 < chunk.count <= LIMITS.chunk_images, "a chunk of another size"
        assert len(chunk.pixels) == 784 * (chunk.count - len(chunk.errors)), "other pixels than images"
        assert all(0 <= position < chunk.count for position in chunk.errors), "an error without an image"
        assert chunk.names is None or len(chunk.names) == chunk.count, "other names than images"
        assert all(len(name) <= 255 for name in chunk.names or ()), "a name that is too long"
        assert orjson.dumps([chunk.names, list(chunk.errors.items())]), "a manifest that cannot be written"
    assert 0 < total <= LIMITS.job_images, "a job of another size"


def any_upload(data: bytes) -> None:
    """Read an upload whose first line is the content type."""
    content_type, _, body = data.partition(b"\n")
    upload(body, content_type.decode("latin-1"))


def entry(data: bytes) -> None:
    """Read a body whose first line is the header."""
    header, _, pixels = data.partition(b"\n")
    try:
        decoded = decode_entry({b"h": header, b"x": pixels})
    except EntryError:
        return
    assert decoded.images.shape == (decoded.count, *axes_of(decoded.shape)), "other images than counted"
    assert isinstance(decoded.uid, str), "an id of another type"
    assert len(decoded.deadlines_ms) in (0, decoded.count), "other deadlines than images"


def block(data: bytes) -> None:
    try:
        decoded = decode_block(data)
    except EntryError:
        return
    labels = decoded.label_count if decoded.best is None else decoded.best.shape[1]
    assert decoded.probabilities.shape == (decoded.count, labels), "other probabilities than predictions"


def layers(data: bytes) -> None:
    try:
        decoded = decode_layers(data)
    except EntryError:
        return
    assert len(decoded.pixels) == 784, "another number of pixels"
    content = layers_json(data, "numbers")
    assert len(content["layers"] or ()) == len(decoded.outputs), "the number of layers differs"
    assert orjson.dumps([content, layers_json(data, "png")], option=orjson.OPT_SERIALIZE_NUMPY), "not serializable"


def v1(data: bytes) -> None:
    try:
        images, _ = parse_predict(data)
    except RequestError as error:
        check_reply(error)
        return
    assert images.shape == (len(images), 28, 28), "no images"


def v2(data: bytes) -> None:
    """Read a body whose first line is the header with the length of the JSON."""
    length, _, body = data.partition(b"\n")
    try:
        images = images_of(parse_request(body, length.decode("latin-1") or None).tensor, "input")
    except RequestError as error:
        check_reply(error)
        return
    assert images.shape == (len(images), 28, 28), "no images"


def _of_format(name: str) -> Target:
    return lambda data: upload(data, CONTENT_TYPES[name])


TARGETS: dict[str, Target] = {
    "image": image,
    "fit": fit,
    "entry": entry,
    "block": block,
    "layers": layers,
    "any": any_upload,
    "v1": v1,
    "v2": v2,
}
TARGETS |= {name: _of_format(name) for name in UPLOADS}
SEEDS: dict[str, list[bytes]] = {name: [data, gzip.compress(data, mtime=0)] for name, data in UPLOADS.items()}
SEEDS["v1"] = [
    b'{"instances": [{"images": [%s]}], "signature_name": "serving_default"}' % b",".join([b"7"] * 784),
    b'{"inputs": [[%s]]}' % b",".join([b"7.5"] * 784),
]
SEEDS["v2"] = [
    b'\n{"inputs": [{"name": "images", "shape": [1, 784], "datatype": "FP32", "data": [%s]}], "id": "a", "outputs": '
    b'[{"name": "probabilities", "parameters": {"classification": 3}}]}' % b",".join([b"7"] * 784),
    b'120\n{"inputs": [{"name": "images", "shape": [1, 28, 28], "datatype": "UINT8", "parameters": '
    b'{"binary_data_size": 784}}]}'.ljust(124)
    + bytes(784),
    b"0\n" + bytes(784),
]
SEEDS["image"] = list(FILES.values())
SEEDS["fit"] = list(FILES.values())
SEEDS["entry"] = [json.dumps(HEADER).encode() + b"\n" + PIXELS]
SEEDS["block"] = [packed(BLOCK_HEADER)]
SEEDS["layers"] = [packed_layers(LAYERS_HEADER)]
SEEDS["any"] = [CONTENT_TYPES[name].encode() + b"\n" + data for name, data in UPLOADS.items()]
SEEDS["any"] += [b"\n" + data for data in UPLOADS.values()]
