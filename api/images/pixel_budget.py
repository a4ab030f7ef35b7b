"""Limits on the pixels of one picture, and on the pixels that one process unpacks at once: they take the memory."""

import contextlib
import threading
from collections.abc import Iterator

from shared.config.settings import LARGEST_MAX_FIT_PIXELS
from shared.errors import BadImage, QueueFull

WAIT_S = 20.0  # below the pauses after which clients and proxies time out
RETRY_AFTER_S = 2
# A baseline JPEG is unpacked to as little as a 64th of its pixels, row by row. WebP's decoder holds three whole copies.
JPEG_FACTOR, WEBP_FACTOR = 8, 0.5
MAX_FILE_PIXELS = JPEG_FACTOR * LARGEST_MAX_FIT_PIXELS  # no setting allows more


def require_pixels(size: tuple[int, int], max_pixels: int, other_way: str = "") -> None:
    """Raise BadImage if a picture of (width, height) has more than `max_pixels`. `other_way` ends the advice."""
    width, height = size
    if width * height > max_pixels:
        side = int((max_pixels / (width * height)) ** 0.5 * max(size))
        raise BadImage(
            f"{width}×{height} are more than {max_pixels} pixels: "
            f"scale the picture down to {side} pixels on its longer side{other_way}"
        )


class PixelBudget:
    """The pixels that may be unpacked at once. Threads share it, and block while others use it."""

    def __init__(self, max_pixels: int, wait_s: float = WAIT_S) -> None:
        self._max_pixels = max_pixels
        self._wait_s = wait_s
        self._pixels = 0
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def take(self, pixels: int) -> Iterator[None]:
        """Hold `pixels`, or all there are if this picture has more. Blocks, and raises QueueFull after `wait_s`."""
        pixels = min(pixels, self._max_pixels)
        with self._changed:
            if not self._changed.wait_for(lambda: self._pixels + pixels <= self._max_pixels, self._wait_s):
                detail = f"other large pictures are being decoded in this process ({self._pixels} pixels)"
                raise QueueFull(detail, RETRY_AFTER_S, "decoding")
            self._pixels += pixels
        try:
            yield
        finally:
            with self._changed:
                self._pixels -= pixels
                self._changed.notify_all()
