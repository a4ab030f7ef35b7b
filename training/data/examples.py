"""Pictures in a folder per label, as images for a model."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from shared.contract.model_spec import ModelSpec, Resize
from shared.data.dataset import Split
from shared.errors import DatasetError
from shared.images import Images

SUFFIXES = {".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff"}
MAX_BYTES = 512 << 20  # pixels of all images in memory
PAPER = (255, 255, 255)  # transparent pixels show it


def read_examples(folder: Path, spec: ModelSpec, max_bytes: int = MAX_BYTES) -> Split:
    """Read the pictures of `folder`, which has a folder per label. Of too many pictures, every n-th is read.

    Raises DatasetError for a folder whose name is no label, for a picture that cannot be read or has another size and
    `resize` is `exact`, and if there are no pictures.
    """
    if spec.input.resize == "digit":
        raise DatasetError(f"{folder}: pictures for a model with resize=digit cannot be read from a folder")
    files = _find(folder, spec.labels)
    step = -(-len(files) * spec.image_bytes // max_bytes)
    files = files[:: max(1, step)]
    images = np.empty((len(files), *spec.array_shape), np.uint8)
    for row, (_, path) in enumerate(files):
        images[row] = read_picture(path, spec)
    return Split(folder.resolve().name, images, np.array([label for label, _ in files], np.uint16), spec.labels)


def read_picture(path: Path, spec: ModelSpec) -> Images:
    """Return uint8[H,W] or uint8[H,W,3]. Raises DatasetError, which names the file."""
    size = spec.input.width, spec.input.height
    try:
        with Image.open(path) as opened:
            picture = _flat(ImageOps.exif_transpose(opened), "L" if spec.input.channels == 1 else "RGB")
    except Exception as error:  # Pillow's readers share no error for damaged data
        raise DatasetError(f"{path} cannot be read as a picture: {error}") from None
    if picture.size != size:
        if spec.input.resize == "exact":
            raise DatasetError(
                f"{path} has {picture.width}×{picture.height} pixels, but the model takes {size[0]}×{size[1]}: "
                "import it with --resize stretch, crop or pad"
            )
        picture = resize(picture, size, spec.input.resize)
    return np.asarray(picture)


def resize(picture: Image.Image, size: tuple[int, int], how: Resize) -> Image.Image:
    """Return the picture in another (width, height)."""
    if how == "crop":
        return ImageOps.fit(picture, size, Image.Resampling.BILINEAR)
    if how == "pad":
        return ImageOps.pad(picture, size, Image.Resampling.BILINEAR)
    return picture.resize(size, Image.Resampling.BILINEAR)


def _flat(picture: Image.Image, mode: str) -> Image.Image:
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        ground = Image.new("RGBA", picture.size, PAPER)
        picture = Image.alpha_composite(ground, picture)
    return picture.convert(mode)


def _find(folder: Path, labels: tuple[str, ...]) -> list[tuple[int, Path]]:
    """Return (label, file) of each picture, in the order of the labels."""
    if not folder.is_dir():
        raise DatasetError(f"{folder} is no folder: expected one with a folder per label")
    numbers = {label: number for number, label in enumerate(labels)}
    folders = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    for path in folders:
        if path.name not in numbers:
            raise DatasetError(f"{path} is no label of the model: expected a folder per label, {_listed(labels)}")
    files = [
        (numbers[path.name], file)
        for path in sorted(folders, key=lambda path: numbers[path.name])
        for file in sorted(path.iterdir())
        if file.suffix.lower() in SUFFIXES and not file.name.startswith(".")
    ]
    if not files:
        raise DatasetError(f"{folder} has no pictures: expected a folder per label, {_listed(labels)}")
    return files


def _listed(labels: tuple[str, ...]) -> str:
    return ", ".join(map(repr, labels[:5])) + (f" and {len(labels) - 5} more" if len(labels) > 5 else "")
