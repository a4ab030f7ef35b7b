"""The parameters `?fit=digit` and `?show=fitted`, and the readers that apply them."""

from collections.abc import AsyncIterator

from starlette.datastructures import QueryParams

from api.images.bulk_threads import in_bulk_thread
from api.images.decode import Picture, ReadPicture, read_picture
from api.images.fit import fit_picture, fit_pixels
from api.images.pixel_budget import PixelBudget
from api.images.shaped import decode_shaped
from api.uploads.chunk import Chunk
from shared.contract.model_spec import Resize
from shared.errors import BadImage, BadParameter
from shared.images import Shape, images_from_pixels


def fit_parameter(query: QueryParams) -> bool:
    """Parse `?fit=digit`. Raises BadParameter for other values."""
    return _is(query, "fit", "digit")


def show_parameter(query: QueryParams) -> bool:
    """Parse `?show=fitted`. Raises BadParameter for other values, and without `fit=digit`."""
    shows = _is(query, "show", "fitted")
    if shows and not fit_parameter(query):
        raise BadParameter("show=fitted requires fit=digit")
    return shows


def _is(query: QueryParams, name: str, only: str) -> bool:
    text = query.get(name)
    if text not in (None, only):
        raise BadParameter(f"{name} {text!r} is not supported, expected {name}={only}")
    return text is not None


def reader(fit: bool, max_pixels: int, budget: PixelBudget) -> ReadPicture:
    """Return the function that reads the files of a bulk upload. All except `read_picture` are slow: use a thread."""
    if not fit:
        return read_picture

    def read_fitted(name: str, data: bytes) -> Picture:
        try:
            return Picture(name, fit_picture(data, max_pixels, budget))
        except BadImage as error:
            return Picture(name, None, error.detail)

    return read_fitted


def shaped_reader(shape: Shape, resize: Resize, max_pixels: int, budget: PixelBudget) -> ReadPicture:
    """Return the function that reads the files of a bulk upload for any version. It is slow: use a thread."""

    def read_shaped(name: str, data: bytes) -> Picture:
        try:
            return Picture(name, decode_shaped(data, shape, resize, max_pixels, budget))
        except BadImage as error:
            return Picture(name, None, error.detail)

    return read_shaped


async def fitted_chunks(chunks: AsyncIterator[Chunk]) -> AsyncIterator[Chunk]:
    """Fit images that have 28×28 pixels already, such as those of an array."""
    async for chunk in chunks:
        yield await in_bulk_thread(_fitted, chunk)


def _fitted(chunk: Chunk) -> Chunk:
    """Fit each image. An image without a digit fails alone."""
    fitted: list[bytes] = []
    errors: dict[int, str] = {}
    for position, image in enumerate(images_from_pixels(chunk.pixels)):
        try:
            fitted.append(fit_pixels(image.tobytes()))
        except BadImage as error:
            errors[position] = error.detail
    return Chunk(b"".join(fitted), chunk.count, errors=errors)
