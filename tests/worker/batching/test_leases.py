"""Leases in a real Redis: expired ones are taken over, renewed ones are not, images that kill workers are failed."""

import threading

import pytest
from redis.exceptions import ResponseError

from shared.config.settings import Settings
from shared.contract.block.codec import decode_block
from shared.contract.entry import Entry
from shared.contract.entry.codec import encode_header
from shared.contract.lane import LANES, Lane
from shared.redis import keys
from shared.redis.clients import SyncClient
from shared.redis.clock import RedisClock
from tests.worker.support.deliveries_of import images
from tests.worker.support.versions_of import FakeVersions
from worker.batching import leases as leases_module
from worker.batching.backlog import Backlog
from worker.batching.deferred import Deferred
from worker.batching.direct_connection import DirectConnection
from worker.batching.finish import FINISH, FINISH_SINGLES, Finisher
from worker.batching.held_entries import HeldEntries
from worker.batching.intake import Intake, ensure_groups
from worker.batching.leases import TAKEOVERS_PER_TICK, Leases, take_duties
from worker.batching.suspects import GIVE_UP_FACTOR, Suspects
from worker.reporting.metrics import Metrics
from worker.watchdog import Watchdog

LEASE_MS = 60_000
STREAM = keys.stream("cnn", "interactive")


class Worker:
    """The parts of a worker that hold entries, without the thread that runs the model."""

    def __init__(self, client: SyncClient, name: str, max_attempts: int = 3) -> None:
        ensure_groups(client, ["cnn"])
        self.client = client
        self.name = name
        self.backlog = Backlog(FakeVersions(cnn=500), at_a_time=1, bulk_entry_images=1000)
        settings = Settings(result_ttl_s=1000, single_result_ttl_s=1000)
        connection = DirectConnection(client, FINISH, FINISH_SINGLES)
        self.finisher = Finisher(connection, name, Metrics(), RedisClock(), settings)
        self.suspects = Suspects(client, name, max_attempts)
        deferred = Deferred(client, settings)
        self.held_entries = HeldEntries(
            client, self.backlog, self.finisher, self.suspects, deferred, RedisClock(), lambda: None
        )
        self.leases = Leases(client, name, lambda: ["cnn"], self.held_entries, LEASE_MS)
        stopping = threading.Event()
        self.intakes = [
            Intake(
                *(client, connection, lane, "cnn", name, self.backlog, self.held_entries, stopping),
                Watchdog(1).redis_pulse(lane),
                block_ms=1,
            )
            for lane in LANES
        ]

    def pull(self) -> None:
        for intake in self.intakes:
            intake.pull()

    def pull_everything(self) -> None:
        while client_has_new_entries(self.client):
            self.pull()

    @property
    def held(self) -> list[tuple[str, int]]:
        """Uid and attempt of what this worker holds."""
        return [(delivery.entry.uid, delivery.attempt) for delivery in self.held_entries.all()]


def put(client: SyncClient, uid: str, chunk: int | None = None, count: int = 2, shard: int = 0) -> None:
    lane: Lane = "interactive" if chunk is None else "bulk"
    entry = Entry(uid, "cnn@1", images(count).tobytes(), 0, chunk=chunk)
    client.xadd(keys.stream("cnn", lane, shard), {"h": encode_header(entry), "x": bytes(entry.pixels)})
    client.hincrby(keys.queued("cnn", lane), "images", count)


def client_has_new_entries(client: SyncClient) -> bool:
    (group,) = client.xinfo_groups(STREAM)
    return bool(client.xrange(STREAM, f"({group['last-delivered-id'].decode()}"))


def let_lapse(client: SyncClient, owner: str, stream: str = STREAM) -> None:
    """Make the lease of everything that `owner` holds as old as if nobody had renewed it."""
    for entry in client.xpending_range(stream, keys.GROUP, "-", "+", 100, owner):
        client.xclaim(stream, keys.GROUP, owner, 0, [entry["message_id"]], idle=10 * LEASE_MS, justid=True)


def test_what_was_pulled_is_nobody_elses_until_its_lease_lapses(client: SyncClient) -> None:
    one, two = Worker(client, "one"), Worker(client, "two")
    put(client, "a")
    one.pull()
    two.pull()
    two.leases.take_over()
    assert (one.held, two.held) == ([("a", 1)], [])
    let_lapse(client, "one")
    two.leases.take_over()
    assert two.held == [("a", 2)]
    assert two.leases.takeovers == 1


def test_a_renewed_lease_does_not_lapse(client: SyncClient) -> None:
    one, two = Worker(client, "one"), Worker(client, "two")
    put(client, "a")
    one.pull()
    let_lapse(client, "one")
    one.leases.renew()
    two.leases.take_over()
    assert two.held == []


def test_renewing_does_not_steal_back_what_was_taken_over(client: SyncClient) -> None:
    one, two = Worker(client, "one"), Worker(client, "two")
    put(client, "a")
    one.pull()
    let_lapse(client, "one")
    two.leases.take_over()
    one.leases.renew()
    (pending,) = client.xpending_range(STREAM, keys.GROUP, "-", "+", 10)
    assert pending["consumer"] == b"two"


def test_lapsed_entries_are_found_behind_hundreds_of_renewed_ones(client: SyncClient) -> None:
    """XAUTOCLAIM examines eighty entries per call."""
    one, two = Worker(client, "one"), Worker(client, "two")
    for number in range(300):
        put(client, f"renewed-{number}")
    one.pull_everything()
    for number in range(20):
        put(client, f"lapsed-{number}")
    dead = Worker(client, "dead")
    dead.pull_everything()
    let_lapse(client, "dead")
    for ticks in range(1, 4):
        two.leases.take_over()
        assert len(two.held) == min(20, ticks * TAKEOVERS_PER_TICK)
    two.leases.take_over()
    assert two.leases.takeovers == 20


def test_a_scan_that_is_too_long_for_one_tick_continues_in_the_next(
    client: SyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases_module, "SCANS_PER_TICK", 1)
    one, two, dead = (Worker(client, name) for name in ("one", "two", "dead"))
    for number in range(100):
        put(client, f"renewed-{number}")
    one.pull_everything()
    put(client, "lapsed")
    dead.pull_everything()
    let_lapse(client, "dead")
    two.leases.take_over()
    assert two.held == []
    two.leases.take_over()
    assert two.held == [("lapsed", 2)]


def test_a_key_in_the_way_of_one_stream_keeps_no_other_stream_from_being_checked(client: SyncClient) -> None:
    two, dead = Worker(client, "two"), Worker(client, "dead")
    stream = keys.stream("cnn", "bulk", 7)
    client.hset(keys.job("lapsed"), "model", "cnn@1")
    put(client, "lapsed", chunk=0, shard=7)
    dead.pull()
    let_lapse(client, "dead", stream)
    for other in (STREAM, keys.stream("cnn", "bulk", 0)):
        client.rename(other, f"{other}:aside")
        client.set(other, "in the way")
    two.leases.take_over()
    two.leases.forget_stale_consumers()
    assert two.held == [("lapsed", 2)]
    ensure_groups(client, ["cnn"])  # a worker that starts meanwhile serves the other streams


def test_an_entry_that_is_held_already_is_not_run_twice(client: SyncClient) -> None:
    one = Worker(client, "one")
    put(client, "a")
    one.pull()
    let_lapse(client, "one")
    one.leases.take_over()
    assert one.held == [("a", 1)]


def taken_over(client: SyncClient, owner: Worker, name: str) -> Worker:
    """A new worker that has taken over what `owner` died with."""
    let_lapse(client, owner.name)
    after = Worker(client, name)
    after.leases.take_over()
    return after


def test_an_image_that_killed_three_workers_becomes_a_dead_letter_and_its_neighbours_do_not(client: SyncClient) -> None:
    worker = Worker(client, "worker-1")
    put(client, "a", count=3)
    worker.pull()  # dies of it, in company: nobody knows of which image
    for number in (2, 3):
        worker = taken_over(client, worker, f"worker-{number}")
        (delivery,) = worker.held_entries.all()
        assert (delivery.is_suspect, delivery.faults) == (True, {})
        worker.suspects.mark(delivery, None, 0)
        worker.suspects.mark(delivery, 0, 1)  # dies of it, alone
        suspect = keys.suspect(delivery.stream, delivery.entry_id.decode())
        assert client.ttl(suspect) > keys.MAX_OPEN_S, "it is remembered for as long as the entry may wait"
    worker = taken_over(client, worker, "worker-4")
    (delivery,) = worker.held_entries.all()
    assert delivery.dead_positions == [1]
    assert delivery.faults == {1: ("failed", "moved to the dead letters after 3 attempts that no worker survived")}


def test_a_worker_that_was_only_slow_takes_the_blame_off_the_image_that_it_survived(client: SyncClient) -> None:
    slow = Worker(client, "worker-1")
    put(client, "a", count=2)
    slow.pull()
    slow = taken_over(client, slow, "worker-2")
    (delivery,) = slow.held_entries.all()
    slow.suspects.mark(delivery, None, 0)
    for number in range(3, 9):  # each of them takes the entry from one that still runs it
        after = taken_over(client, slow, f"worker-{number}")
        slow.suspects.mark(delivery, 0, 1)
        slow.suspects.mark(delivery, 1, None)
        slow = after
        (delivery,) = slow.held_entries.all()
        slow.suspects.mark(delivery, None, 0)
    assert delivery.faults == {}


def test_an_entry_is_nobodys_fault_when_no_image_was_under_way(client: SyncClient) -> None:
    """Killed workers leave what waited in their hands behind: that must not count against it."""
    worker = Worker(client, "worker-0")
    put(client, "a")
    worker.pull()
    for number in range(1, 8):
        worker = taken_over(client, worker, f"worker-{number}")
    assert worker.held == [("a", 8)]
    (delivery,) = worker.held_entries.all()
    assert delivery.faults == {}


def test_an_entry_that_is_delivered_without_end_becomes_dead_letters(client: SyncClient) -> None:
    worker = Worker(client, "worker-0")
    put(client, "a")
    worker.pull()
    for number in range(1, 3 * GIVE_UP_FACTOR + 1):
        worker = taken_over(client, worker, f"worker-{number}")
    assert worker.held == []
    data = client.get(keys.result("a"))
    assert isinstance(data, bytes)
    block = decode_block(data)
    assert {state for state, _ in block.faults.values()} == {"failed"}
    assert "survived 31 deliveries" in block.faults[0][1]
    assert client.hget(keys.queued("cnn", "interactive"), "images") == b"0"
    assert client.xlen(keys.DEAD_LETTERS) == 2


def test_images_whose_clients_went_away_are_not_run(client: SyncClient) -> None:
    one = Worker(client, "one")
    put(client, "a", count=2)
    put(client, "b", count=2)
    client.sadd(keys.dropped("a"), 1)
    client.sadd(keys.dropped("b"), 0, 1)
    one.pull()
    (delivery,) = one.held_entries.all()
    assert delivery.entry.uid == "a"
    assert delivery.faults == {1: ("cancelled", "its client went away")}
    assert client.hget(keys.queued("cnn", "interactive"), "images") == b"2"


def test_a_read_returns_an_entry_of_each_shard(client: SyncClient) -> None:
    """A small job behind a large one, on another shard, does not wait for all of it."""
    one = Worker(client, "one")
    for uid, shard, entries in (("large", 0, 20), ("small", 5, 1)):
        client.hset(keys.job(uid), "model", "cnn@1")
        for chunk in range(entries):
            put(client, uid, chunk=chunk, shard=shard)
    one.pull()
    assert sorted(uid for uid, _ in one.held) == ["large", "small"]


def test_an_error_with_an_entry_of_one_shard_leaves_the_entries_of_others_in_the_backlog(client: SyncClient) -> None:
    one = Worker(client, "one")
    client.hset(keys.job("a"), "model", "cnn@1")
    client.set(keys.job("b"), "no hash")
    put(client, "a", chunk=0, shard=0)
    put(client, "b", chunk=0, shard=5)
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        one.pull()
    assert [uid for uid, _ in one.held] == ["a"]
    assert [part.delivery.entry.uid for part in one.backlog.take()] == ["a"]


@pytest.mark.parametrize("job", [{}, {"model": "cnn@1", "cancelled": 2, "finished_ms": 1}])
def test_a_chunk_of_a_job_that_is_over_or_gone_is_dropped(client: SyncClient, job: dict[str, str | int]) -> None:
    one = Worker(client, "one")
    if job:
        client.hset(keys.job("a"), mapping=job)
    put(client, "a", chunk=0)
    one.pull()
    assert one.held == []
    assert client.xlen(keys.stream("cnn", "bulk")) == 0
    assert client.hget(keys.queued("cnn", "bulk"), "images") == b"0"


def test_only_the_chunks_of_the_job_that_is_over_are_dropped_from_a_pull(client: SyncClient) -> None:
    one = Worker(client, "one")
    client.hset(keys.job("a"), mapping={"model": "cnn@1", "cancelled": 4, "finished_ms": 1})
    client.hset(keys.job("b"), mapping={"model": "cnn@1"})
    for shard, uid in enumerate("abab"):
        put(client, uid, chunk=shard, shard=shard)
    one.pull()
    assert [uid for uid, _ in one.held] == ["b", "b"]


def test_what_is_no_entry_is_discarded_and_harms_nobody(client: SyncClient) -> None:
    one = Worker(client, "one")
    client.xadd(STREAM, {"h": b"{}", "x": images(2).tobytes()})
    client.xadd(STREAM, {"nonsense": b"1"})
    client.hincrby(keys.queued("cnn", "interactive"), "images", 2)
    put(client, "a")
    one.pull()
    assert one.held == [("a", 1)]
    assert client.xlen(STREAM) == 1
    assert client.hget(keys.queued("cnn", "interactive"), "images") == b"2"


def test_the_counters_of_an_entry_that_is_discarded_are_not_created_again(client: SyncClient) -> None:
    one = Worker(client, "one")
    bulk, queued = keys.stream("cnn", "bulk", 3), keys.queued("cnn", "bulk")
    client.xadd(bulk, {"h": b"{}", "x": images(2).tobytes()})
    one.pull()
    assert not client.exists(queued)
    client.hset(queued, mapping={"images": 5, "bytes": 100, "3": 1})
    client.xadd(bulk, {"h": b"{}", "x": images(2).tobytes()})
    one.pull()
    assert client.hgetall(queued) == {b"images": b"3", b"bytes": b"0", b"3": b"0"}


def test_a_stale_consumer_is_forgotten_but_not_one_that_owns_something(client: SyncClient) -> None:
    one, two = Worker(client, "one"), Worker(client, "two")
    put(client, "a")
    one.pull()
    two.pull()
    client.xgroup_createconsumer(STREAM, keys.GROUP, "three")
    watcher = Leases(client, "watcher", lambda: ["cnn"], two.held_entries, lease_ms=0)
    wait_until_idle(client)
    watcher.forget_stale_consumers()
    assert {consumer["name"] for consumer in client.xinfo_consumers(STREAM, keys.GROUP)} == {b"one"}


def wait_until_idle(client: SyncClient) -> None:
    """Wait until every consumer has been silent for a millisecond of Redis's own clock."""
    while min(consumer["idle"] for consumer in client.xinfo_consumers(STREAM, keys.GROUP)) < 1:
        client.ping()


def test_one_worker_at_a_time_takes_over_the_entries_of_a_model(client: SyncClient) -> None:
    assert take_duties(client, ["cnn", "seed"], 60_000) == ["cnn", "seed"]
    assert take_duties(client, ["cnn", "seed", "new"], 60_000) == ["new"]


def test_a_turn_passes_by_itself(client: SyncClient) -> None:
    assert take_duties(client, ["cnn"], 60_000) == ["cnn"]
    assert 0 < client.pttl(keys.duty("cnn")) <= 60_000


def test_while_redis_is_full_everyone_looks(client: SyncClient) -> None:
    client.config_set("maxmemory", 1)
    try:
        assert take_duties(client, ["cnn", "seed"], 60_000) == ["cnn", "seed"]
    finally:
        client.config_set("maxmemory", 0)
