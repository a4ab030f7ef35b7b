"""From a grey picture of something written on something to how much ink there is in each pixel."""

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from shared.errors import BadImage

Grey = npt.NDArray[np.float32]  # float32[H,W], 0 to 255
Ink = npt.NDArray[np.float32]  # float32[H,W], 0 (paper) to about 1 (as dark as ink can be)

GLANCE_PX = 48  # longest side of the picture in which the first guess at the paper is made
STROKE_PART = 0.3  # of the picture's shorter side, that the widest stroke may be wide
SOFT_PART = 600  # of the longest side is the radius within which grain is evened out
DARKEST_PAPER = 40.0  # below this grey level noise would be taken for ink
LEAST_CONTRAST = 0.09  # of ink to its paper
LEAST_NOISE = 0.004  # of a picture without any; JPEG leaves about as much
CLEAR_OF_NOISE = 4.0  # times the noise's standard deviation
NO_INK = "no digit found: the picture has nothing that stands out like ink on paper"


def ink_of(grey: Grey) -> tuple[Ink, float]:
    """(ink, the threshold over which it is certain). The paper's own brightness, and shadows on it, are taken out.

    Dark on light and light on dark come out the same. Raises BadImage where nothing stands out.
    """
    if float(((_rough_paper(grey) - grey) ** 3).mean()) < 0:  # the rarer side is the ink
        grey = 255 - grey
    grey = _softened(grey)
    paper = closed(grey, max(3, round(STROKE_PART * min(grey.shape))))
    ink = ((paper - grey) / np.maximum(paper, DARKEST_PAPER)).astype(np.float32)  # the same in a shadow
    usual = float(np.median(ink))  # the paper's brightest grains are what `closed` goes by
    ink -= np.float32(usual)
    threshold = otsu(ink)
    noise = max(LEAST_NOISE, 1.4826 * float(np.median(np.abs(ink))))
    certain = ink[ink > threshold]
    level = float(np.median(certain)) if certain.size else 0.0
    if level < max(LEAST_CONTRAST, CLEAR_OF_NOISE * noise):
        raise BadImage(NO_INK)
    return ink, max(threshold, CLEAR_OF_NOISE / 2 * noise)


def otsu(values: Ink) -> float:
    """The threshold between 0 and 1 that parts the values with the largest variance between the two classes."""
    counts, edges = np.histogram(values, 256, (0.0, 1.0))
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    weighted = np.cumsum(counts * centres)
    above = below[-1] - below
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (weighted / below - (weighted[-1] - weighted) / above) ** 2
    return float(edges[1 + int(np.nanargmax(np.nan_to_num(between)))])


def closed(grey: Grey, side: int) -> Grey:
    """Without what is dark and narrower than `side`: the paper under the strokes. Shadows stay, edges and all."""
    return _widest(_widest(grey, side, np.maximum), side, np.minimum)


def _widest(values: Grey, side: int, extreme: np.ufunc) -> Grey:
    """The extreme of the square of `side` pixels around each pixel, in steps that double."""
    radius = side // 2
    for axis in (0, 1):
        values = np.pad(values, [(radius, radius) if each == axis else (0, 0) for each in (0, 1)], "edge")
        values = np.moveaxis(values, axis, 0)
        covered = 1
        while covered < 2 * radius + 1:
            step = min(covered, 2 * radius + 1 - covered)
            values = extreme(values[:-step], values[step:])
            covered += step
        values = np.moveaxis(values, 0, axis)
    return values


def _softened(grey: Grey) -> Grey:
    """Less grain, where the picture is large enough that its strokes survive."""
    radius = max(grey.shape) / SOFT_PART
    if radius < 0.3:
        return grey
    image = Image.fromarray(np.rint(np.clip(grey, 0, 255)).astype(np.uint8))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(radius)), np.float32)


def _rough_paper(grey: Grey) -> Grey:
    """The median over half of the picture around each place: strokes are in the minority everywhere."""
    height, width = grey.shape
    shrink = GLANCE_PX / max(height, width)
    size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
    small = Image.fromarray(grey).resize(size, Image.Resampling.BOX, reducing_gap=None)
    median = Image.fromarray(np.asarray(small).round().astype(np.uint8)).filter(
        ImageFilter.MedianFilter(GLANCE_PX // 2 + 1)
    )
    return np.asarray(Image.fromarray(np.asarray(median, np.float32)).resize((width, height)))
