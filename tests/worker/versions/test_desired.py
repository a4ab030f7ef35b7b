"""The desired versions are read from Redis as they stand, and changes arrive at once, also after a lost connection."""

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from shared.config.settings import Settings
from shared.contract.alias import ALIAS_CODEC, Alias
from shared.redis import keys
from shared.redis.clients import SyncClient
from shared.redis.clock import RedisClock
from shared.redis.connection import worker_client
from tests.shared.redis.clocks import clock_at
from worker.versions.desired import DesiredVersions, Listener, read_desired
from worker.watchdog import Watchdog

LONG_S = 30


def test_aliases_and_what_is_wanted_now_are_read(client: SyncClient) -> None:
    now_s, _ = client.time()
    client.hset(keys.ALIASES, "cnn/champion", ALIAS_CODEC.encode(Alias(2, shadow=3)))
    client.zadd(keys.DESIRED, {"cnn@4": now_s - 60, "cnn@5": now_s + 60})
    desired = read_desired(client, clock_at(0))
    assert desired == DesiredVersions({"cnn/champion": Alias(2, shadow=3)}, frozenset({"cnn@5"}))
    assert desired.named == {"cnn@2", "cnn@3"}
    assert [desired.meaning(ref) for ref in ("cnn", "cnn@champion", "cnn@2", "big")] == ["cnn@2", "cnn@2", None, None]


def test_an_alias_that_cannot_be_read_counts_as_none(client: SyncClient) -> None:
    client.hset(keys.ALIASES, mapping={"cnn/champion": b"garbage", "cnn/candidate": ALIAS_CODEC.encode(Alias(7))})
    assert read_desired(client, RedisClock()).aliases == {"cnn/candidate": Alias(7)}


def test_a_version_has_the_shadows_of_every_alias_of_it_and_is_none_of_itself() -> None:
    desired = DesiredVersions(
        {
            "cnn/champion": Alias(1, canary=2, canary_percent=5.0, shadow=3),
            "cnn/candidate": Alias(1, shadow=4),
            "cnn/other": Alias(1, shadow=3),
            "big/champion": Alias(1, shadow=1),
        }
    )
    assert desired.shadows == {"cnn@1": ("cnn@4", "cnn@3")}


@contextmanager
def listening(client: SyncClient, scratch_url: str) -> Iterator["queue.Queue[DesiredVersions]"]:
    """The desired versions after each change, from a listener that has seen that there are none."""
    heard: queue.Queue[DesiredVersions] = queue.Queue()
    stopping = threading.Event()
    listener = Listener(
        lambda: worker_client(Settings(redis_url=scratch_url), patient=False),
        DesiredVersions(requested=frozenset({"not yet read"})),
        RedisClock(),
        lambda: heard.put(listener.desired),
        stopping,
        Watchdog(60).redis_pulse("listen"),
    )
    thread = threading.Thread(target=listener.listen, daemon=True)
    thread.start()
    assert heard.get(timeout=LONG_S) == DesiredVersions()
    try:
        yield heard
    finally:
        stopping.set()
        client.publish(keys.ALIASES_CHANNEL, "wake")
        thread.join(LONG_S)
    assert not thread.is_alive()


def test_a_change_is_heard_of_whether_it_is_published_or_not(client: SyncClient, scratch_url: str) -> None:
    with listening(client, scratch_url) as heard:
        client.hset(keys.ALIASES, "cnn/champion", ALIAS_CODEC.encode(Alias(2)))
        client.publish(keys.ALIASES_CHANNEL, "cnn/champion")
        assert heard.get(timeout=LONG_S).named == {"cnn@2"}
        client.zadd(keys.DESIRED, {"cnn@3": 1e12})
        assert heard.get(timeout=LONG_S).requested == {"cnn@3"}


def test_a_listener_survives_its_connections(client: SyncClient, scratch_url: str) -> None:
    with listening(client, scratch_url) as heard:
        own = client.client_info()
        for connection in client.client_list():  # connections to other databases belong to other tests
            if int(connection["db"]) == own["db"] and int(connection["id"]) != own["id"]:
                client.client_kill_filter(_id=connection["id"])
        client.zadd(keys.DESIRED, {"cnn@3": 1e12})
        assert heard.get(timeout=LONG_S).requested == {"cnn@3"}


def test_desired_versions_wake_nobody_twice(client: SyncClient, scratch_url: str) -> None:
    with listening(client, scratch_url) as heard:
        client.zadd(keys.DESIRED, {"cnn@3": 1e12})
        heard.get(timeout=LONG_S)
        client.zadd(keys.DESIRED, {"cnn@3": 2e12})
        client.publish(keys.ALIASES_CHANNEL, "")
        client.zadd(keys.DESIRED, {"cnn@4": 1e12})
        client.publish(keys.ALIASES_CHANNEL, "")
        assert heard.get(timeout=LONG_S).requested == {"cnn@3", "cnn@4"}
