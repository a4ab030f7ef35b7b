import base64
import io

import numpy as np
import pytest
from PIL import Image

from api.images.tiles import grid_of, picture, tiles_of


@pytest.mark.parametrize(
    ("shape", "tiles"),
    [
        ((14, 7, 32), (32, 14, 7)),
        ((3, 14, 7, 5), (15, 14, 7)),
        ((3, 10), (1, 3, 10)),
        ((10,), (10, 1, 1)),
        ((1, 1, 64), (64, 1, 1)),
        ((), (1, 1, 1)),
    ],
)
def test_there_is_a_tile_for_each_channel(shape: tuple[int, ...], tiles: tuple[int, ...]) -> None:
    assert tiles_of(np.zeros(shape)).shape == tiles


def test_a_channel_of_a_view_has_its_own_tile() -> None:
    values = np.random.default_rng(1).random((2, 4, 3, 5))
    tiles = tiles_of(values)
    np.testing.assert_array_equal(tiles[0], values[0, :, :, 0])
    np.testing.assert_array_equal(tiles[5 + 2], values[1, :, :, 2])


@pytest.mark.parametrize(("count", "rows", "columns"), [(1, 1, 1), (2, 1, 2), (5, 2, 3), (32, 6, 6), (64, 8, 8)])
def test_the_grid_is_about_as_wide_as_high_and_its_rest_is_empty(count: int, rows: int, columns: int) -> None:
    tiles = np.arange(1, count + 1)[:, None, None] * np.ones((count, 2, 3), int)
    grid = grid_of(tiles)
    assert grid.shape == (rows * 2, columns * 3)
    assert grid[::2, ::3].ravel().tolist() == [*range(1, count + 1), *[0] * (rows * columns - count)]
    assert (grid[::2] == grid[1::2]).all()


def test_black_is_the_smallest_value_and_white_the_largest() -> None:
    drawn = picture(np.array([[[-2.0], [2.0]], [[0.0], [1.0]]], np.float16))
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(drawn["png"]))))
    assert pixels.tolist() == [[0, 255], [128, 191]]
    assert drawn["scale"] == {"black": -2, "white": 2}
    assert drawn["tiles"] == {"count": 1, "columns": 1, "height": 2, "width": 2}


def test_a_layer_of_one_value_is_black() -> None:
    drawn = picture(np.full((2, 2, 3), 7, np.float32))
    assert drawn["scale"] == {"black": 7, "white": 7}
    assert not np.asarray(Image.open(io.BytesIO(base64.b64decode(drawn["png"])))).any()
