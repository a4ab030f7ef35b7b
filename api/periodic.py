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
    """Call `act` forever. `errors` end one call only: the logger of `act`'s module reports them after `failure`."""
    logger = logging.getLogger(act.__module__)
    while True:
        try:
            await act()
        except errors as error:
            logger.warning("%s: %s", failure, error)
        await asyncio.sleep(interval_s)
