"""The threads that unpack and decode the files of bulk uploads. Single images have threads of their own."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

THREADS = 2  # they compete with the event loop for the GIL; Python's default number grows with the cores

P = ParamSpec("P")
T = TypeVar("T")

_threads = ThreadPoolExecutor(THREADS, "unpack")


async def in_bulk_thread(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return `call(...)`, called in a thread. Uploads take turns, so a call should take less than a second."""
    return await asyncio.get_running_loop().run_in_executor(_threads, lambda: call(*args, **kwargs))
