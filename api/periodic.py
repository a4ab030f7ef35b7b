"""Tasks that repeat for as long as the API process runs."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import NoReturn

from redis.exceptions import RedisError


async def repeat(
    act: Callable[[], Awaitable[object]],
    interval_s: float,
    failure: str,
    errors: tuple[type[Exception], ...] = (RedisError, OSError),
) -> NoReturn:
    """Call `act` forever. The logger of `act`'s module reports `errors` after `failure`, any other with a traceback."""
    logger = logging.getLogger(act.__module__)
    while True:
        try:
            await act()
        except errors as error:
            logger.warning("%s: %s", failure, error)
        except Exception:  # a process without this task would look alive, and be broken
            logger.exception("%s", failure)
        await asyncio.sleep(interval_s)
