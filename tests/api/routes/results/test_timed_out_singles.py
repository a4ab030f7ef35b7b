"""The id of a single image that timed out is known until the image is final, however long it waits in the queue."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import cast

import pytest

from api.queue.classify_request import ClassifyRequest
from api.routes.results.timed_out_singles import read_single, remember_single
from api.state import State
from shared.config.api_keys import ApiKey
from shared.config.settings import Settings, load_settings
from shared.redis import keys
from shared.redis.clients import SyncClient
from shared.redis.clock import RedisClock
from shared.redis.connection import api_client

SINGLE = "0123456789abcdef-0"
STREAM = keys.stream("cnn", "interactive")
CALLER = ApiKey("", "")
TTL_S = 6


class LaterClock(RedisClock):
    """A clock that a test puts forward."""

    def __init__(self) -> None:
        super().__init__()
        self.later_s = 0.0

    def now_s(self) -> float:
        return super().now_s() + self.later_s


@asynccontextmanager
async def timed_out(client: SyncClient, url: str) -> AsyncIterator[tuple[State, LaterClock]]:
    """Yield the state of an API in which a single has timed out that waits on its stream."""
    api, clock = api_client(load_settings({"REDIS_URL": url})), LaterClock()
    state = cast(State, SimpleNamespace(client=api, clock=clock, settings=Settings(single_result_ttl_s=TTL_S)))
    entry_id = client.xadd(STREAM, {"h": b"", "x": b""})
    assert isinstance(entry_id, bytes)
    await remember_single(state, SINGLE, entry_id.decode(), ClassifyRequest(model="cnn@1", caller=CALLER))
    try:
        yield state, clock
    finally:
        await api.aclose()


async def test_it_is_queued_for_as_long_as_it_waits(client: SyncClient, scratch_url: str) -> None:
    async with timed_out(client, scratch_url) as (state, clock):
        clock.later_s = 1000 * TTL_S
        assert client.ttl(keys.timed_out_single(SINGLE)) > 1000 * TTL_S
        found = await read_single(state, SINGLE, CALLER)
        assert found is not None
        assert found[0]["state"] == "queued"


@pytest.mark.parametrize(("later_s", "state"), [(0, "done_with_errors"), (2 * TTL_S, None)])
async def test_without_entry_and_result_it_is_lost_and_later_it_may_only_have_expired(
    client: SyncClient, scratch_url: str, later_s: float, state: str | None
) -> None:
    async with timed_out(client, scratch_url) as (api_state, clock):
        client.delete(STREAM)
        clock.later_s = later_s
        found = await read_single(api_state, SINGLE, CALLER)
        assert (found and found[0]["state"]) == state
