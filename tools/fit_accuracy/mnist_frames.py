"""MNIST's images as a client might send them: ten times as large, black on white, somewhere in a frame of 640×480."""

from collections.abc import Iterator
from random import Random

import numpy as np
import numpy.typing as npt
from PIL import Image

from shared.images import Images

SCALE = 10
FRAME_PX = (640, 480)


def mnist_frames(images: Images, seed: int) -> Iterator[npt.NDArray[np.float32]]:
    """Return float32[480,640] for each of `images`."""
    random = Random(seed)
    width, height = FRAME_PX
    for image in images:
        side = len(image) * SCALE
        large = Image.fromarray(255 - image).resize((side, side), random.choice(list(Image.Resampling)[:4]))
        frame = Image.new("L", FRAME_PX, 255)
        frame.paste(large, (random.randint(0, width - side), random.randint(0, height - side)))
        yield np.asarray(frame, np.float32)
