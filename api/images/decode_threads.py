"""Decodes the image files of single requests without blocking other requests."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from api.http.capacity import Capacity
from api.images.decode import decode_image, is_fast
from api.images.fit import fit_picture, fit_pixels
from api.images.number import number_picture
from api.images.pixel_budget import PixelBudget
from api.images.shaped import decode_shaped
from shared.contract.job import NumberLine
from shared.contract.model_spec import Resize
from shared.shapes import Shape

THREADS = 2  # they compete with the event loop for the GIL
MAX_WAITING = 64  # each file may have MAX_IMAGE_BYTES

T = TypeVar("T")


class Decoder:
    """Decodes fast files at once and all others in threads, because a crafted file can take seconds.

    `decoded` is called with the seconds that each file took.
    """

    def __init__(self, max_fit_pixels: int, budget: PixelBudget, decoded: Callable[[float], None]) -> None:
        self._decoded = decoded
        self._max_fit_pixels = max_fit_pixels
        self._budget = budget
        self._threads = ThreadPoolExecutor(THREADS, "decode")
        self._waiting = Capacity(MAX_WAITING, "decoding", "{} large image files wait to be decoded in this process")

    async def decode(self, data: bytes) -> bytes:
        """Call `decode_image`, in a thread if it may be slow. Raises QueueFull if too many files wait for a thread."""
        started_s = time.perf_counter()
        pixels = decode_image(data) if is_fast(data) else await self._in_thread(decode_image, data)
        self._decoded(time.perf_counter() - started_s)
        return pixels

    async def fit(self, data: bytes) -> bytes:
        """Call `fit_picture`. Raises QueueFull if too many files wait for a thread."""
        started_s = time.perf_counter()
        pixels = await self._in_thread(lambda data: fit_picture(data, self._max_fit_pixels, self._budget), data)
        self._decoded(time.perf_counter() - started_s)
        return pixels

    async def divide(self, data: bytes) -> tuple[NumberLine, bytes]:
        """Call `number_picture`. Raises QueueFull if too many files wait for a thread."""
        started_s = time.perf_counter()
        found = await self._in_thread(lambda data: number_picture(data, self._max_fit_pixels, self._budget), data)
        self._decoded(time.perf_counter() - started_s)
        return found

    async def fit_pixels(self, pixels: bytes) -> bytes:
        """Call the function `fit_pixels`. Raises QueueFull if too many files wait for a thread."""
        return await self._in_thread(fit_pixels, pixels)

    async def shape(self, data: bytes, shape: Shape, resize: Resize) -> bytes:
        """Call `decode_shaped`. Raises QueueFull if too many files wait for a thread."""
        started_s = time.perf_counter()
        max_pixels, budget = self._max_fit_pixels, self._budget
        pixels = await self._in_thread(lambda data: decode_shaped(data, shape, resize, max_pixels, budget), data)
        self._decoded(time.perf_counter() - started_s)
        return pixels

    async def _in_thread(self, convert: Callable[[bytes], T], data: bytes) -> T:
        """Return `convert(data)`, called in a thread. Raises QueueFull if too many files wait for one."""
        with self._waiting.slot():
            return await asyncio.get_running_loop().run_in_executor(self._threads, convert, data)

    def close(self) -> None:
        """Cancel what has not begun, and do not wait for the rest."""
        self._threads.shutdown(wait=False, cancel_futures=True)
