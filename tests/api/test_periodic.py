import asyncio

import pytest

from api.periodic import repeat


async def test_no_error_ends_the_task(caplog: pytest.LogCaptureFixture) -> None:
    outcomes = iter([None, OSError("away"), ValueError("a bug"), None])
    ended = asyncio.Event()

    async def act() -> None:
        outcome = next(outcomes, asyncio)
        if outcome is asyncio:
            ended.set()
        elif isinstance(outcome, Exception):
            raise outcome

    task = asyncio.create_task(repeat(act, 0.0, "it cannot be read"))
    await ended.wait()
    task.cancel()
    assert [(record.name, record.message, record.exc_info is not None) for record in caplog.records] == [
        (__name__, "it cannot be read: away", False),
        (__name__, "it cannot be read", True),
    ]
