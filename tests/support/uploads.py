"""Bodies that clients upload: image files, arrays and archives. `files` are pairs (name, content)."""

import base64
import io
import struct
import tarfile
import zipfile
from collections.abc import Iterable
from typing import Any

import numpy as np
import orjson
from PIL import Image

from shared.images import Images

Files = Iterable[tuple[str, bytes]]


def image_file(image: Image.Image | Images, file_format: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    picture.save(file, file_format, **options)
    return file.getvalue()


def noise(count: int) -> Images:
    """Return uint8[count,28,28] of random pixels, which have contrast and mean nothing."""
    return np.random.default_rng(1).integers(0, 256, (count, 28, 28), np.uint8)


def npy(images: np.ndarray[Any, Any], version: tuple[int, int] | None = None) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, images, version)
    return file.getvalue()


def idx(images: np.ndarray[Any, Any]) -> bytes:
    return struct.pack(f">HBB{images.ndim}I", 0, 8, images.ndim, *images.shape) + images.tobytes()


def zipped(files: Files, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, data in files:
            archive.writestr(name, data)
    return file.getvalue()


def tarred(files: Files, tar_format: int = tarfile.PAX_FORMAT) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tar_format) as archive:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            info.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


def ndjson(files: Files) -> bytes:
    return b"\n".join(orjson.dumps({"name": name, "image": base64.b64encode(data).decode()}) for name, data in files)
