"""`?fit=number`: finds the digits of one number in a picture, and reads it. Pure functions."""

import msgspec
from PIL import Image

from api.images.decode import process_image
from api.images.fit import limited_grey
from api.images.number.lattice import lattice_of
from api.images.pixel_budget import PixelBudget
from shared.contract.job import Lattice
from shared.images import Images


def number_picture(data: bytes, max_pixels: int, budget: PixelBudget | None = None) -> tuple[Lattice, bytes]:
    """Return the lattice of the number in an image file of any size, and the pixels of all candidates.

    The boxes are in pixels of the upright picture. Takes from 30 ms to about a second, and blocks while `budget` has no
    room. Raises BadImage for other files, too many pixels, or no number, and QueueFull.
    """

    def divided(image: Image.Image) -> tuple[Lattice, Images, float]:
        longer_px = max(image.size)
        grey = limited_grey(image, data, max_pixels, budget)
        return *lattice_of(grey), longer_px / max(grey.shape)

    lattice, images, scale = process_image(data, divided)
    return (lattice if scale == 1 else scaled(lattice, scale)), images.tobytes()


def scaled(lattice: Lattice, scale: float) -> Lattice:
    """Return the lattice of a picture that is `scale` times as large."""
    candidates = []
    for candidate in lattice.candidates:
        left, top, width, height = candidate.box
        edges = [round(side * scale) for side in (left, top, left + width, top + height)]
        box = (edges[0], edges[1], edges[2] - edges[0], edges[3] - edges[1])
        candidates.append(msgspec.structs.replace(candidate, box=box))
    return msgspec.structs.replace(lattice, candidates=tuple(candidates))
