"""Reproducible distortions of the test images: noise, shift, rotation, blur, lower contrast and inversion."""

import numpy as np
import numpy.typing as npt
from PIL import Image

from shared.images import Images

SEED = 20
NOISE_SD = 20.0  # standard deviation; pixels go up to 255
MAX_SHIFT_PX = 3
MAX_ROTATION_DEG = 20.0
BLUR_SD_PX = 1.0
FADED_CONTRAST = 0.6

DESCRIPTIONS = {
    "noise": f"with noise (standard deviation {NOISE_SD:g} of 255)",
    "shift": f"shifted by up to {MAX_SHIFT_PX} pixels each way",
    "rotation": f"rotated by up to {MAX_ROTATION_DEG:g} degrees",
    "blur": f"blurred (standard deviation {BLUR_SD_PX:g} pixel)",
    "faded": f"at {FADED_CONTRAST:.0%} of the contrast",
    "inverted": "inverted",
}


def make_sets(images: Images) -> dict[str, Images]:
    """Return one set like `images` per name in DESCRIPTIONS. Row i is made from row i of `images` uint8[N,H,W(,3)].

    Each set has its own random generator, so that adding a set does not change the others.
    """
    return {
        "noise": add_noise(images, _generator(0)),
        "shift": shift(images, _generator(1)),
        "rotation": rotate(images, _generator(2)),
        "blur": blur(images),
        "faded": _to_pixels(images * np.float32(FADED_CONTRAST)),
        "inverted": 255 - images,
    }


def add_noise(images: Images, random: np.random.Generator) -> Images:
    noise = random.standard_normal(images.shape, np.float32) * np.float32(NOISE_SD)
    return _to_pixels(images + noise)


def shift(images: Images, random: np.random.Generator) -> Images:
    """Shift each image by a random number of whole pixels. Pixels from outside the image are 0."""
    right, down = random.integers(-MAX_SHIFT_PX, MAX_SHIFT_PX, (2, len(images), 1), endpoint=True)
    around = [(MAX_SHIFT_PX, MAX_SHIFT_PX) if axis in (1, 2) else (0, 0) for axis in range(images.ndim)]
    padded = np.pad(images, around)
    rows = np.arange(images.shape[1]) + MAX_SHIFT_PX - down
    columns = np.arange(images.shape[2]) + MAX_SHIFT_PX - right
    shifted: Images = padded[np.arange(len(images))[:, None, None], rows[:, :, None], columns[:, None, :]]
    return shifted


def rotate(images: Images, random: np.random.Generator) -> Images:
    angles_deg = random.uniform(-MAX_ROTATION_DEG, MAX_ROTATION_DEG, len(images))
    rotated = np.empty_like(images)
    for row, (image, angle_deg) in enumerate(zip(images, angles_deg, strict=True)):
        rotated[row] = np.asarray(Image.fromarray(image).rotate(angle_deg, Image.Resampling.BILINEAR))
    return rotated


def blur(images: Images) -> Images:
    """Apply a Gaussian blur, separately along rows and columns. Pixels outside the image are 0."""
    radius = round(3 * BLUR_SD_PX)
    kernel = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * BLUR_SD_PX**2)).astype(np.float32)
    kernel /= kernel.sum()
    blurred: npt.NDArray[np.float32] = images.astype(np.float32)
    for axis in (1, 2):
        padded = np.pad(blurred, [(radius, radius) if each == axis else (0, 0) for each in range(images.ndim)])
        side = images.shape[axis]
        shifted = (padded.take(range(start, start + side), axis) for start in range(2 * radius + 1))
        blurred = np.sum([weight * part for weight, part in zip(kernel, shifted, strict=True)], axis=0)
    return _to_pixels(blurred)


def _generator(number: int) -> np.random.Generator:
    return np.random.default_rng([SEED, number])


def _to_pixels(values: npt.NDArray[np.float32]) -> Images:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
