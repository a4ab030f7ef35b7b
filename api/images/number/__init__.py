"""`?fit=number`: finds the line of a number in a picture, and cuts it into windows. Pure functions."""

import msgspec
import numpy as np
from PIL import Image

from api.images.decode import process_image
from api.images.fit import limited_grey
from api.images.fit.ink import Grey, ink_of
from api.images.number.line import line_of
from api.images.number.pieces import pieces_of
from api.images.number.strip import WIDENINGS, strip_of, windows_of
from api.images.pixel_budget import PixelBudget
from shared.contract.job import NumberLine
from shared.images import Images


def number_picture(data: bytes, max_pixels: int, budget: PixelBudget | None = None) -> tuple[NumberLine, bytes]:
    """Return the line of the number in an image file of any size, and the pixels of its windows.

    The boxes are in pixels of the upright picture. Takes from 30 ms to about a second, and blocks while `budget` has no
    room. Raises BadImage for other files, too many pixels, or no number, and QueueFull.
    """

    def divided(image: Image.Image) -> tuple[NumberLine, Images, float]:
        longer_px = max(image.size)
        grey = limited_grey(image, data, max_pixels, budget)
        return *number_grey(grey), longer_px / max(grey.shape)

    line, windows, scale = process_image(data, divided)
    return (line if scale == 1 else scaled(line, scale)), windows.tobytes()


def number_grey(grey: Grey) -> tuple[NumberLine, Images]:
    """Return the line of the number in float32[H,W], and uint8[N,28,40], the windows of its views. Raises BadImage."""
    line = line_of(*ink_of(grey))
    strips = [strip_of(line, widening) for widening in WIDENINGS]
    views, pieces = tuple(strip.windows for strip in strips), pieces_of(line, strips[0].middles)
    return NumberLine(views, tuple(pieces)), np.concatenate([windows_of(strip) for strip in strips])


def scaled(line: NumberLine, scale: float) -> NumberLine:
    """Return the line of a picture that is `scale` times as large."""
    pieces = []
    for piece in line.pieces:
        left, top, width, height = piece.box
        edges = [round(side * scale) for side in (left, top, left + width, top + height)]
        box = (edges[0], edges[1], edges[2] - edges[0], edges[3] - edges[1])
        pieces.append(msgspec.structs.replace(piece, box=box))
    return msgspec.structs.replace(line, pieces=tuple(pieces))
