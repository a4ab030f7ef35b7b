"""Decoding image files of single requests without keeping other requests waiting."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from api.pictures import decode_image, is_quick
from api.replying import RETRY_AFTER_S
from shared.errors import QueueFull

THREADS = 2  # that compete with the event loop for the interpreter's lock
MOST_WAITING = 64  # files of up to MAX_IMAGE_BYTES each


class Decoder:
    """A quick file is decoded at once, any other waits its turn in a thread: crafted, it can take seconds."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, "decode")
        self._waiting = 0

    async def decode(self, data: bytes) -> bytes:
        """As `decode_image`. Raises QueueFull too, when as many files wait for a thread as may."""
        if is_quick(data):
            return decode_image(data)
        if self._waiting >= MOST_WAITING:
            raise QueueFull(f"{self._waiting} large image files wait to be decoded here", RETRY_AFTER_S)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, decode_image, data)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """What is not begun is not decoded any more."""
        self._threads.shutdown(wait=False, cancel_futures=True)
