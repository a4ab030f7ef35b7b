"""A layer's maps as a picture: its channels side by side, black for its least value, white for its largest."""

import base64
import io
import math
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image


def tiles_of(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """float[T,height,width] of float[height,width,channels]: a tile for each channel.

    Of several views, float[V,height,width,channels], the first one's come first; float[V,N] is one tile of a row a
    view, and float[N] has a tile of one pixel for each number.
    """
    if values.ndim in (3, 4):
        return np.moveaxis(values, -1, -3).reshape(-1, *values.shape[-3:-1])
    return values[None] if values.ndim == 2 else values.reshape(-1, 1, 1)


def tiled(tiles: npt.NDArray[Any], columns: int | None = None) -> npt.NDArray[Any]:
    """[rows·height,columns·width]: the tiles row by row, zeros where none is left; without `columns` in a grid about as
    wide as high.
    """
    count, height, width = tiles.shape
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    grid = np.zeros((rows * columns, height, width), tiles.dtype)
    grid[:count] = tiles
    return grid.reshape(rows, columns, height, width).swapaxes(1, 2).reshape(rows * height, columns * width)


def picture(values: npt.NDArray[Any]) -> dict[str, Any]:
    """Base64 of a grey PNG, the size of its tiles, and the values that its black and its white stand for."""
    finite = np.nan_to_num(values.astype(np.float64), posinf=0, neginf=0)
    low, high = float(finite.min()), float(finite.max())
    tiles = tiles_of((finite - low) * (255 / (high - low) if high > low else 0))
    grid = tiled(np.rint(tiles).astype(np.uint8))
    _, height, width = tiles.shape
    return {
        "png": png_base64(grid),
        "tiles": {"count": len(tiles), "columns": grid.shape[1] // width, "height": height, "width": width},
        "scale": {"black": float(f"{low:.6g}"), "white": float(f"{high:.6g}")},
    }


def png_base64(pixels: npt.NDArray[np.uint8]) -> str:
    """Of uint8[height,width]."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()
