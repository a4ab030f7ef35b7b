"""The strips of a file of `python -m tools.training_pictures.strips`, and batches of distorted ones."""

import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from shared.errors import DatasetError
from shared.shapes import CLASSES, OTHER, WINDOW_SHAPE

HEIGHT_PX, WINDOW_PX, _ = WINDOW_SHAPE
STEP_PX = 4  # between windows: the product of the network's strides
WIDTHS_PX = (120, 180, 240, 320, 440)  # each batch has one
BATCH_STRIPS = 32
END = 255
BENT = 0.5  # share of the strips whose signs are bent, up to MAX_BEND_PX at corners CELL_PX apart
MAX_BEND_PX, CELL_PX = 1.3, 13

Pixels = npt.NDArray[np.uint8]
Quad = tuple[tuple[int, int, int, int], tuple[float, ...]]  # a box, and the corners of what fills it
Batch = tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]  # float32[N,28,W,1] and int32[N,S]; see `network.loss`


@dataclass(frozen=True, slots=True)
class Strips:
    """N strips uint8[28,W], and their signs int32[N,S] as outputs of the network, with -1 after the last.

    Each line has `views` strips behind each other.
    """

    pixels: Sequence[Pixels]
    signs: npt.NDArray[np.int32]
    views: int = 1


def read(paths: Sequence[Path]) -> Strips:
    """Read files of strips. Raises DatasetError for one that is missing or is no such file."""
    pixels: list[Pixels] = []
    signs, views = [], 1
    for path in paths:
        try:
            with np.load(path) as arrays:
                pixels += np.split(arrays["pixels"], np.cumsum(arrays["widths"])[:-1], axis=1)
                signs.append(arrays["signs"].astype(np.int32))
                views = int(arrays["views"]) if "views" in arrays else 1
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise DatasetError(f"{path} is no file of `python -m tools.training_pictures.strips`: {error}") from None
    every = np.concatenate(signs)
    every[every == CLASSES] = OTHER
    every[every == END] = -1
    return Strips(pixels, every, views)


def batches(strips: Strips, rng: np.random.Generator | None) -> Iterator[Batch]:
    """Yield all strips once, those of similar width together: distorted and in random order if `rng` is given."""
    drawn = [distorted(each, rng) if rng else each for each in strips.pixels]
    for pixels, rows in same_width(drawn, rng):
        yield pixels, strips.signs[rows]


def same_width(
    strips: Sequence[Pixels], rng: np.random.Generator | None
) -> Iterator[tuple[npt.NDArray[np.float32], npt.NDArray[np.intp]]]:
    """Yield float32[B,28,W,1] of strips of similar width, and which strips they are; in random order with `rng`."""
    fitting = np.searchsorted(WIDTHS_PX, [each.shape[1] for each in strips])
    chosen = []
    for index, width in enumerate(WIDTHS_PX):
        rows = np.flatnonzero(fitting == index)
        if rng:
            rng.shuffle(rows)
        chosen += [(width, rows[start : start + BATCH_STRIPS]) for start in range(0, len(rows), BATCH_STRIPS)]
    if rng:
        rng.shuffle(chosen)
    for width, rows in chosen:
        yield np.stack([_padded(strips[int(row)], width) for row in rows])[..., None], rows


def distorted(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Return a strip that is wider or narrower, higher or lower, leaning, bent, blurred, bolder or noisy."""
    wider, higher = float(rng.uniform(0.85, 1.18)), float(rng.uniform(0.88, 1.12))
    lean, down = float(rng.uniform(-0.18, 0.18)), float(rng.normal(0, 1.2))
    inner = max(1, round((pixels.shape[1] - WINDOW_PX) * wider))
    middle = HEIGHT_PX / 2
    # Rows and columns of the strip for each pixel of the distorted one; half a window of margin stays on both sides.
    across = (pixels.shape[1] - WINDOW_PX) / inner
    matrix = (
        *(across, lean, WINDOW_PX / 2 * (1 - across) - lean * middle),
        *(0.0, 1 / higher, middle - (middle + down) / higher),
    )
    size = (inner + WINDOW_PX, HEIGHT_PX)
    if rng.random() < BENT:
        mesh = _bent_mesh(size, matrix, float(rng.uniform(0.3, MAX_BEND_PX)), rng)
        image = Image.fromarray(pixels).transform(size, Image.Transform.MESH, mesh, Image.Resampling.BILINEAR)
    else:
        image = Image.fromarray(pixels).transform(size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
    way = rng.random()
    if way < 0.15:
        image = Image.blend(image, image.filter(ImageFilter.MaxFilter(3)), float(rng.uniform(0.2, 0.7)))
    elif way < 0.3:
        image = Image.blend(image, image.filter(ImageFilter.MinFilter(3)), float(rng.uniform(0.2, 0.5)))
    elif way < 0.4:
        image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 0.8))))
    ink = np.asarray(image, np.float32) * np.float32(rng.uniform(0.75, 1.1))
    if rng.random() < 0.1:
        ink = ink + rng.normal(0, 12, ink.shape)
    drawn: Pixels = np.clip(ink, 0, 255).astype(np.uint8)
    return drawn


def _bent_mesh(size: tuple[int, int], matrix: Sequence[float], bend_px: float, rng: np.random.Generator) -> list[Quad]:
    """Return the cells of a strip, and the corners that each has before it is bent and distorted by the matrix."""
    columns = np.linspace(0, size[0], max(2, round(size[0] / CELL_PX)) + 1).round()
    rows = np.linspace(0, size[1], 3)
    x, y = np.meshgrid(columns, rows)
    a, b, c, d, e, f = matrix
    across = a * x + b * y + c + rng.normal(0, bend_px, x.shape)
    down = d * x + e * y + f + rng.normal(0, bend_px, x.shape)
    mesh = []
    for row in range(2):
        for column in range(len(columns) - 1):
            box = (int(columns[column]), int(rows[row]), int(columns[column + 1]), int(rows[row + 1]))
            corners = ((row, column), (row + 1, column), (row + 1, column + 1), (row, column + 1))
            mesh.append((box, tuple(float(each[corner]) for corner in corners for each in (across, down))))
    return mesh


def _padded(pixels: Pixels, width: int) -> npt.NDArray[np.float32]:
    padded = np.zeros((HEIGHT_PX, width), np.float32)
    padded[:, : pixels.shape[1]] = pixels
    return padded
