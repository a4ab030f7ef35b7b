"""Many images of the test set in one response: the labels, and the pictures side by side on a sheet."""

import asyncio
import io

from PIL import Image
from starlette.requests import Request
from starlette.responses import Response

from api.http.caching import cache_headers, etag_of, not_modified
from api.http.parameters import integer_parameter
from api.http.responses import Json
from api.images.tiles import grid_of
from api.routes.dataset import DATASET_HEADER
from api.state import state_of
from shared.errors import NotFound
from shared.images import Images

COLUMNS = 25
MAX_IMAGES = 1000  # on one sheet
COMPRESS_LEVEL = 3  # 10 % larger than at the highest level, in a sixteenth of the time


async def get_labels(request: Request) -> Response:
    """Return all labels of the test set, in order."""
    split = state_of(request).test_set
    tag = etag_of(split.name.encode() + split.labels.tobytes())
    return not_modified(request.headers, tag) or Json(
        {"dataset": split.name, "labels": split.labels}, headers={DATASET_HEADER: split.name, **cache_headers(tag)}
    )


async def get_sheet(request: Request) -> Response:
    """Return `?limit=` images from `?offset=` on as a PNG, COLUMNS per row. Raises BadParameter or NotFound."""
    split = state_of(request).test_set
    count = len(split.images)
    limit = integer_parameter(request.query_params, "limit", MAX_IMAGES, 1, MAX_IMAGES)
    offset = integer_parameter(request.query_params, "offset", 0, 0, 2**31)
    if offset >= count:
        raise NotFound(f"there is no image {offset}: indices go from 0 to {count - 1}")
    images = split.images[offset : offset + limit]
    tag = etag_of(images.tobytes())
    if unchanged := not_modified(request.headers, tag):
        return unchanged
    sheet = await asyncio.to_thread(png_sheet, images)
    return Response(sheet, headers={DATASET_HEADER: split.name, **cache_headers(tag)}, media_type="image/png")


def png_sheet(images: Images) -> bytes:
    file = io.BytesIO()
    Image.fromarray(grid_of(images, COLUMNS)).save(file, "PNG", compress_level=COMPRESS_LEVEL)
    return file.getvalue()
