"""Tasks that repeat for as long as the API process runs."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import NoReturn

from redis.exceptions import RedisError

from shared.telemetry.seldom import SeldomLog


async def repeat(
    act: Callable[[], Awaitable[object]],
    interval_s: float,
    failure: str,
    errors: tuple[type[Exception], ...] = (RedisError, OSError),
) -> NoReturn:
    """Call `act` forever. The logger of `act`'s module reports `errors` after `failure`, any other with a traceback.

    An error that repeats is reported once per minute.
    """
    logger = logging.getLogger(act.__module__)
    seldom = SeldomLog(logger)
    while True:
        try:
            await act()
        except errors as error:
            seldom.log(logging.WARNING, f"{failure}: {error}")
        except Exception:  # a process without this task would look alive, and be broken
            logger.exception("%s", failure)
        await asyncio.sleep(interval_s)
