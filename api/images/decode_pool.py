"""Making pixels of the image files of single requests, without keeping other requests waiting."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from api.http.capacity import Capacity
from api.images.decode import decode_image, is_quick
from api.images.fit import fit_picture, fit_pixels
from api.metrics import Metrics

THREADS = 2  # that compete with the event loop for the interpreter's lock; the largest pictures take some 200 MB each
MAX_WAITING = 64  # files of up to MAX_IMAGE_BYTES each


class Decoder:
    """A quick file is decoded at once, any other waits its turn in a thread: crafted, it can take seconds."""

    def __init__(self, most_fit_pixels: int, metrics: Metrics) -> None:
        self._metrics = metrics
        self._most_fit_pixels = most_fit_pixels
        self._threads = ThreadPoolExecutor(THREADS, "decode")
        self._waiting = Capacity(MAX_WAITING, "decoding", "{} large image files wait to be decoded in this process")

    async def decode(self, data: bytes) -> bytes:
        """As `decode_image`. Raises QueueFull too, when as many files wait for a thread as may."""
        started_s = time.perf_counter()
        pixels = decode_image(data) if is_quick(data) else await self._aside(decode_image, data)
        self._metrics.decoded(time.perf_counter() - started_s)
        return pixels

    async def fit(self, data: bytes) -> bytes:
        """As `fit_picture`. Raises QueueFull too."""
        started_s = time.perf_counter()
        pixels = await self._aside(lambda data: fit_picture(data, self._most_fit_pixels), data)
        self._metrics.decoded(time.perf_counter() - started_s)
        return pixels

    async def fit_pixels(self, pixels: bytes) -> bytes:
        """As `fit_pixels`. Raises QueueFull too."""
        return await self._aside(fit_pixels, pixels)

    async def _aside(self, make_pixels: Callable[[bytes], bytes], data: bytes) -> bytes:
        with self._waiting.slot():
            return await asyncio.get_running_loop().run_in_executor(self._threads, make_pixels, data)

    def close(self) -> None:
        """What is not begun is not decoded any more."""
        self._threads.shutdown(wait=False, cancel_futures=True)
