import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest

from shared.errors import QueueFull
from tests.api.queue.singles.world import World


async def test_requests_beyond_the_maximum_are_refused_until_one_is_answered() -> None:
    world = World(entry_images=32)
    asked = await world.begin() + [world.ask(digit) for digit in range(11)]
    await asyncio.sleep(0)
    with pytest.raises(QueueFull, match="12 requests wait") as refused:
        await world.singles.require_room()
    assert refused.value.retry_after_s == 3
    world.wakeups.answer(world.enqueuer.writes[0][0])
    await asked[0]
    await world.singles.require_room()
    for each in asked:
        each.cancel()


@pytest.fixture
def _no_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_no_collector")
async def test_a_refused_request_leaves_no_reference_cycle() -> None:
    world = World(entry_images=32)
    asked = await world.begin() + [world.ask(digit) for digit in range(11)]
    await asyncio.sleep(0)
    try:
        await world.singles.require_room()
    except QueueFull as error:
        refusal = weakref.ref(error)
    assert refusal() is None
    for each in asked:
        each.cancel()


@pytest.mark.usefixtures("_no_collector")
async def test_a_refused_entry_leaves_no_reference_cycle() -> None:
    world = World(entry_images=32)
    (asked,) = await world.begin()
    world.end([QueueFull("full", retry_after_s=3)])
    try:
        await asked
    except QueueFull as error:
        refusal = weakref.ref(error)
    del asked
    await asyncio.sleep(0)
    assert refusal() is None
