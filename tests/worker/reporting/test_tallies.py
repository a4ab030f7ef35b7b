"""Counts reach Redis once, and wait while it is away."""

import pytest
import redis

from shared.redis.clients import SyncClient
from worker.reporting.tallies import Tallies

KEY = "mnistified:test"


def test_counts_add_up_in_redis_and_are_kept_for_their_time(client: SyncClient) -> None:
    tallies = Tallies(ttl_s=100)
    tallies.add(KEY, {"images": 2, "agree": 0})
    tallies.add(KEY, {"images": 3})
    tallies.write(client)
    tallies.add(KEY, {"images": 4, "3>5": 1})
    tallies.write(client)
    tallies.write(client)
    assert client.hgetall(KEY) == {b"images": b"9", b"3>5": b"1"}
    assert 0 < client.ttl(KEY) <= 100


def test_what_cannot_be_written_is_written_the_next_time(client: SyncClient) -> None:
    tallies = Tallies(ttl_s=100)
    tallies.add(KEY, {"images": 2})
    client.set(KEY, "no hash")
    with pytest.raises(redis.ResponseError):
        tallies.write(client)
    client.delete(KEY)
    tallies.add(KEY, {"images": 1})
    tallies.write(client)
    assert client.hgetall(KEY) == {b"images": b"3"}
