"""The images and labels of the test set."""

import io

from PIL import Image
from starlette.requests import Request
from starlette.responses import Response

from api.http.parameters import accepts_first, index_of
from api.http.responses import Json
from api.state import state_of

JPEG_QUALITY = 95
DATASET_HEADER = "X-Dataset"  # identifies the dataset in responses without JSON


async def get_image(request: Request) -> Response:
    """Return a JPEG, or an exact PNG if `Accept` prefers it."""
    split = state_of(request).test_set
    index = index_of(request.path_params["index"], len(split.images))
    media_type = accepts_first(request.headers.get("accept", ""), ("image/jpeg", "image/png"))
    file = io.BytesIO()
    image = Image.fromarray(split.images[index])
    if media_type == "image/png":
        image.save(file, "PNG")
    else:
        image.save(file, "JPEG", quality=JPEG_QUALITY)
    headers = {DATASET_HEADER: split.name, "Vary": "Accept"}
    return Response(file.getvalue(), media_type=media_type, headers=headers)


async def get_label(request: Request) -> Response:
    split = state_of(request).test_set
    index = index_of(request.path_params["index"], len(split.labels))
    content: dict[str, object] = {"label": int(split.labels[index])}
    if split.name != "mnist":
        content["dataset"] = split.name
    return Json(content, headers={DATASET_HEADER: split.name})
