import asyncio

import pytest

from api.periodic import repeat


def test_an_expected_error_ends_one_call_and_any_other_the_task(caplog: pytest.LogCaptureFixture) -> None:
    outcomes = iter([None, OSError("away"), None, ValueError("a bug")])

    async def act() -> None:
        if (outcome := next(outcomes)) is not None:
            raise outcome

    with pytest.raises(ValueError, match="a bug"):
        asyncio.run(repeat(act, 0.0, "it cannot be read"))
    assert [(record.name, record.message) for record in caplog.records] == [(__name__, "it cannot be read: away")]
