"""A layer's maps as a picture: the channels side by side, black for the smallest value, white for the largest."""

import base64
import io
import math
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image


def tiles_of(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return float[T,height,width], one tile per channel of float[height,width,channels].

    float[V,height,width,channels] holds several views, whose tiles follow each other. float[V,N] becomes one tile with
    a row per view, and float[N] becomes N tiles of one pixel.
    """
    if values.ndim in (3, 4):
        return np.moveaxis(values, -1, -3).reshape(-1, *values.shape[-3:-1])
    return values[None] if values.ndim == 2 else values.reshape(-1, 1, 1)


def grid_of(tiles: npt.NDArray[Any], columns: int | None = None) -> npt.NDArray[Any]:
    """Arrange the tiles in [rows·height,columns·width], by default about square, with zeros after the last."""
    count, height, width = tiles.shape
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    grid = np.zeros((rows * columns, height, width), tiles.dtype)
    grid[:count] = tiles
    return grid.reshape(rows, columns, height, width).swapaxes(1, 2).reshape(rows * height, columns * width)


def picture(values: npt.NDArray[Any]) -> dict[str, Any]:
    """Return a grey PNG in base64, the layout of its tiles, and the values that black and white stand for."""
    finite = np.nan_to_num(values.astype(np.float64), posinf=0, neginf=0)
    low, high = float(finite.min()), float(finite.max())
    tiles = tiles_of((finite - low) * (255 / (high - low) if high > low else 0))
    grid = grid_of(np.rint(tiles).astype(np.uint8))
    _, height, width = tiles.shape
    return {
        "png": png_base64(grid),
        "tiles": {"count": len(tiles), "columns": grid.shape[1] // width, "height": height, "width": width},
        "scale": {"black": float(f"{low:.6g}"), "white": float(f"{high:.6g}")},
    }


def png_base64(pixels: npt.NDArray[np.uint8]) -> str:
    """Return uint8[height,width] as a PNG in base64."""
    return base64.b64encode(png_of(pixels)).decode()


def png_of(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Return uint8[height,width] as a PNG."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
