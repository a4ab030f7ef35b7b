"""Measures the ink in each pixel of a grey picture of handwriting."""

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from shared.errors import BadImage

Grey = npt.NDArray[np.float32]  # float32[H,W], 0 to 255
Ink = npt.NDArray[np.float32]  # float32[H,W], 0 (paper) to about 1 (as dark as ink can be)

THUMBNAIL_PX = 48  # longest side of the picture from which the paper is first estimated
MAX_STROKE_WIDTH = 0.3  # fraction of the picture's shorter side
BLUR_DIVISOR = 600  # the longest side divided by this is the radius of the blur against grain
DARKEST_PAPER = 40.0  # below this grey level, noise would count as ink
MIN_CONTRAST = 0.09  # between ink and paper
MIN_NOISE = 0.004  # assumed for a picture without noise; JPEG leaves about as much
NOISE_MARGIN = 4.0  # how many standard deviations of the noise the ink has to exceed
NO_INK = "no digit found: the picture has nothing that stands out like ink on paper"


def ink_of(grey: Grey) -> tuple[Ink, float]:
    """Return the ink, and the threshold above which ink is certain. The paper's brightness and shadows are removed.

    Dark on light and light on dark give the same result. Raises BadImage if nothing stands out.
    """
    if float(((_estimate_paper(grey) - grey) ** 3).mean()) < 0:  # the rarer brightness is the ink
        grey = 255 - grey
    grey = _blurred(grey)
    paper = closed(grey, max(3, round(MAX_STROKE_WIDTH * min(grey.shape))))
    ink = ((paper - grey) / np.maximum(paper, DARKEST_PAPER)).astype(np.float32)  # relative, to cancel shadows
    ink -= np.float32(np.median(ink))  # `closed` returns the brightest grains of the paper
    certain = ink[ink > otsu(ink)]
    level = float(np.median(certain)) if certain.size else 0.0
    if level < max(MIN_CONTRAST, NOISE_MARGIN * _noise(ink)):
        raise BadImage(NO_INK)
    return ink, threshold_of(ink)


def threshold_of(ink: Ink) -> float:
    """Return the threshold above which ink is certain."""
    return max(otsu(ink), NOISE_MARGIN / 2 * _noise(ink))


def _noise(ink: Ink) -> float:
    return max(MIN_NOISE, 1.4826 * float(np.median(np.abs(ink))))


def otsu(values: Ink) -> float:
    """Return the threshold from 0 to 1 that maximizes the variance between the two classes of values."""
    counts, edges = np.histogram(values, 256, (0.0, 1.0))
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    weighted = np.cumsum(counts * centres)
    above = below[-1] - below
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (weighted / below - (weighted[-1] - weighted) / above) ** 2
    return float(edges[1 + int(np.nanargmax(np.nan_to_num(between)))])


def closed(grey: Grey, side: int) -> Grey:
    """Remove what is dark and narrower than `side`. The paper and its shadows remain, with sharp edges."""
    return extreme_of(extreme_of(grey, side, np.maximum), side, np.minimum)


def extreme_of(values: Grey, side: int, extreme: np.ufunc) -> Grey:
    """Return the extreme of the square of `side` pixels around each pixel, in steps of doubling size."""
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


def _blurred(grey: Grey) -> Grey:
    """Blur against grain, if the picture is large enough to keep its strokes."""
    radius = max(grey.shape) / BLUR_DIVISOR
    if radius < 0.3:
        return grey
    image = Image.fromarray(np.rint(np.clip(grey, 0, 255)).astype(np.uint8))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(radius)), np.float32)


def _estimate_paper(grey: Grey) -> Grey:
    """Return the median over half of the picture around each pixel. Strokes are in the minority everywhere."""
    height, width = grey.shape
    shrink = THUMBNAIL_PX / max(height, width)
    size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
    small = Image.fromarray(grey).resize(size, Image.Resampling.BOX, reducing_gap=None)
    median = Image.fromarray(np.asarray(small).round().astype(np.uint8)).filter(
        ImageFilter.MedianFilter(THUMBNAIL_PX // 2 + 1)
    )
    return np.asarray(Image.fromarray(np.asarray(median, np.float32)).resize((width, height)))
