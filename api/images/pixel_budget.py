"""A limit on the pixels that are unpacked at the same time in one process, which is what decoding takes memory for."""

import contextlib
import threading
from collections.abc import Iterator

from shared.errors import QueueFull

WAIT_S = 20.0  # below the pauses after which clients and proxies time out
RETRY_AFTER_S = 2


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
