"""The orientation of a picture, and a limit on the tags of TIFF and EXIF, which Pillow reads in Python."""

from typing import IO

from PIL import ExifTags, Image, TiffImagePlugin
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from api.images.file_structure import MAX_TIFF_STRIPS, TIFF_TYPES_OF_NUMBERS

MAX_NUMBERS_BYTES = 2 * MAX_TIFF_STRIPS * 8  # offsets and lengths of the strips, of 8 bytes in a BigTIFF
TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_load = ImageFileDirectory_v2.load


def load_some(directory: ImageFileDirectory_v2, fp: IO[bytes]) -> None:
    """Read a directory of tags, as in TIFF and EXIF, without those whose numbers would take seconds to convert."""
    _load(directory, fp)
    left_bytes = MAX_NUMBERS_BYTES
    for tag, kind in list(directory.tagtype.items()):
        size_bytes = len(directory._tagdata.get(tag, b"")) if kind in TIFF_TYPES_OF_NUMBERS else 0
        if size_bytes > left_bytes:
            del directory._tagdata[tag], directory.tagtype[tag]
        else:
            left_bytes -= size_bytes


TiffImagePlugin.ImageFileDirectory_v2.load = load_some  # type: ignore[assignment, method-assign]


def orientation_of(image: Image.Image) -> int:
    """Return how the picture must be turned or mirrored, as a key of TRANSPOSITIONS, or any other value."""
    orientation: int = image.getexif().get(ExifTags.Base.Orientation, 1)
    return orientation


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """Return the picture as it is shown. Pillow's `exif_transpose` would write all tags of the file again."""
    transposition = TRANSPOSITIONS.get(orientation)
    return image if transposition is None else image.transpose(transposition)
