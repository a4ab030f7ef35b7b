"""The parameters `?fit=`, `?among=` and `?show=fitted`, and the readers that apply them."""

import reprlib
from collections.abc import AsyncIterator
from typing import cast, get_args

import numpy as np
from starlette.datastructures import QueryParams

from api.images.bulk_threads import in_bulk_thread
from api.images.decode import Picture, ReadPicture, read_picture
from api.images.fit import fit_picture, fit_pixels
from api.images.number import number_grey, number_picture
from api.images.pixel_budget import PixelBudget
from api.images.shaped import decode_shaped
from api.queue.classify_request import Fit
from api.uploads import ReadArray
from api.uploads.chunk import Chunk
from shared.contract.job import NumberLine
from shared.contract.model_spec import ModelSpec, Resize
from shared.errors import BadImage, BadParameter
from shared.images import images_from_pixels
from shared.numbers.roster import Roster, roster_of
from shared.shapes import NUMBER_MODEL, WINDOW_LABELS, WINDOW_SHAPE, Shape

MAX_STRINGS = 1000  # a roster's
MAX_DIGITS = 16  # a string's
MAX_SHOWN_CHARS = 40


def fit_parameter(query: QueryParams) -> Fit:
    """Parse `?fit=`. Raises BadParameter for values other than `digit` and `number`."""
    text = query.get("fit", "")
    for fit in get_args(Fit):
        if text == fit:
            return cast(Fit, fit)
    raise BadParameter(f"fit {text!r} is not supported, expected fit=digit or fit=number")


def among_parameter(query: QueryParams) -> Roster | None:
    """Parse `?among=`, the valid strings of a number, separated by commas. Raises BadParameter."""
    text = query.get("among")
    if text is None:
        return None
    if fit_parameter(query) != "number":
        raise BadParameter("among=… requires fit=number")
    strings = [string.strip() for string in text.split(",")]
    if len(strings) > MAX_STRINGS:
        raise BadParameter(f"among has {len(strings)} strings, and may have {MAX_STRINGS}")
    for string in strings:
        if not (string.isascii() and string.isdigit() and len(string) <= MAX_DIGITS):
            shown = reprlib.repr(string)[:MAX_SHOWN_CHARS]
            raise BadParameter(f"among has {shown}: expected 1 to {MAX_DIGITS} digits, as in among=1204,1377,88")
    if len(set(strings)) < len(strings):
        twice = next(string for at, string in enumerate(strings) if string in strings[:at])
        raise BadParameter(f"among has {twice} more than once")
    return roster_of(strings)


def require_number_reader(spec: ModelSpec, model: str) -> None:
    """Raise BadParameter unless a version reads numbers: single digits are not found in them."""
    if spec.shape != WINDOW_SHAPE or spec.labels != WINDOW_LABELS or not spec.acceptance:
        raise BadParameter(f"fit=number needs a version that reads numbers, such as {NUMBER_MODEL}, and not {model}")


def show_parameter(query: QueryParams) -> bool:
    """Parse `?show=fitted`. Raises BadParameter for other values, and without `fit=digit`."""
    shows = _is(query, "show", "fitted")
    if shows and fit_parameter(query) != "digit":
        raise BadParameter("show=fitted requires fit=digit")
    return shows


def _is(query: QueryParams, name: str, only: str) -> bool:
    text = query.get(name)
    if text not in (None, only):
        raise BadParameter(f"{name} {text!r} is not supported, expected {name}={only}")
    return text is not None


def reader(fit: Fit, max_pixels: int, budget: PixelBudget) -> ReadPicture:
    """Return the function that reads the files of a bulk upload. All except `read_picture` are slow: use a thread."""
    if not fit:
        return read_picture

    def read_fitted(name: str, data: bytes) -> Picture:
        try:
            if fit == "number":
                line, pixels = number_picture(data, max_pixels, budget)
                return Picture(name, pixels, number=line)
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


def fitted_chunks(fit: Fit) -> ReadArray:
    """Return the function that fits images that have 28×28 pixels already, such as those of an array."""
    fit_chunk = _divided if fit == "number" else _fitted

    async def fitted(chunks: AsyncIterator[Chunk]) -> AsyncIterator[Chunk]:
        async for chunk in chunks:
            yield await in_bulk_thread(fit_chunk, chunk)

    return fitted


def _fitted(chunk: Chunk) -> Chunk:
    """Find the digit in each image. An image without one fails alone."""
    fitted: list[bytes] = []
    errors: dict[int, str] = {}
    for position, image in enumerate(images_from_pixels(chunk.pixels)):
        try:
            fitted.append(fit_pixels(image.tobytes()))
        except BadImage as error:
            errors[position] = error.detail
    return Chunk(b"".join(fitted), chunk.count, errors=errors)


def _divided(chunk: Chunk) -> Chunk:
    """Divide the number in each image. An image without one fails alone."""
    divided: list[bytes] = []
    lines: list[NumberLine] = []
    errors: dict[int, str] = {}
    for position, image in enumerate(images_from_pixels(chunk.pixels)):
        try:
            line, windows = number_grey(image.astype(np.float32))
            divided.append(windows.tobytes())
            lines.append(line)
        except BadImage as error:
            errors[position] = error.detail
    return Chunk(b"".join(divided), chunk.count, errors=errors, numbers=lines)
