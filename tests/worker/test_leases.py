"""Leases against a real Redis: what lapses is taken over, what is renewed is not, what keeps failing is given up."""

import threading

import pytest

from shared import keys
from shared.block import decode_block
from shared.connection import Client
from shared.entry import Entry, encode_header
from tests.worker.deliveries_of import images
from worker.backlog import Backlog
from worker.deliveries import Deliveries
from worker.finish import Finisher
from worker.intake import Intake, ensure_groups
from worker.leases import Leases

LEASE_MS = 60_000
STREAM = keys.stream("cnn", "interactive")


class Worker:
    """The parts of a worker that hold entries, without the thread that runs the model."""

    def __init__(self, client: Client, name: str, max_attempts: int = 3) -> None:
        ensure_groups(client, ["cnn"])
        self.client = client
        self.backlog = Backlog({"interactive": 1000, "bulk": 1000})
        self.finisher = Finisher(client, name, 1000, 1000)
        self.deliveries = Deliveries(client, self.backlog, self.finisher, max_attempts)
        self.leases = Leases(client, name, ["cnn"], self.deliveries, LEASE_MS)
        stopping = threading.Event()
        self.intakes = [
            Intake(client, lane, ["cnn"], name, self.backlog, self.deliveries, stopping) for lane in keys.LANES
        ]

    def pull(self) -> None:
        for intake in self.intakes:
            intake.pull(block_ms=1)

    @property
    def held(self) -> list[tuple[str, int]]:
        """Uid and attempt of what this worker holds."""
        return [(delivery.entry.uid, delivery.attempt) for delivery in self.deliveries.held()]


def put(client: Client, uid: str, chunk: int | None = None, count: int = 2) -> None:
    lane: keys.Lane = "interactive" if chunk is None else "bulk"
    entry = Entry(uid, "cnn@1", images(count).tobytes(), 0, chunk=chunk)
    client.xadd(keys.stream("cnn", lane), {"h": encode_header(entry), "x": bytes(entry.pixels)})
    client.incrby(keys.queued("cnn", lane), count)


def let_lapse(client: Client, owner: str) -> None:
    """Make the lease of everything that `owner` holds as old as if nobody had renewed it."""
    for entry in client.xpending_range(STREAM, keys.GROUP, "-", "+", 100, owner):
        client.xclaim(STREAM, keys.GROUP, owner, 0, [entry["message_id"]], idle=10 * LEASE_MS, justid=True)


def test_what_was_pulled_is_nobody_elses_until_its_lease_lapses(client: Client) -> None:
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


def test_a_renewed_lease_does_not_lapse(client: Client) -> None:
    one, two = Worker(client, "one"), Worker(client, "two")
    put(client, "a")
    one.pull()
    let_lapse(client, "one")
    one.leases.renew()
    two.leases.take_over()
    assert two.held == []


def test_renewing_does_not_steal_back_what_was_taken_over(client: Client) -> None:
    one, two = Worker(client, "one"), Worker(client, "two")
    put(client, "a")
    one.pull()
    let_lapse(client, "one")
    two.leases.take_over()
    one.leases.renew()
    (pending,) = client.xpending_range(STREAM, keys.GROUP, "-", "+", 10)
    assert pending["consumer"] == b"two"


def test_an_entry_that_is_held_already_is_not_run_twice(client: Client) -> None:
    one = Worker(client, "one")
    put(client, "a")
    one.pull()
    let_lapse(client, "one")
    one.leases.take_over()
    assert one.held == [("a", 1)]


def test_an_entry_that_no_worker_survived_fails_with_the_reason(client: Client) -> None:
    workers = [Worker(client, f"worker-{number}", max_attempts=3) for number in range(4)]
    put(client, "a")
    workers[0].pull()
    for number, after in enumerate(workers[1:]):
        let_lapse(client, f"worker-{number}")
        after.leases.take_over()
    assert workers[3].held == []
    data = client.get(keys.result("a"))
    assert isinstance(data, bytes)
    block = decode_block(data)
    assert {state for state, _ in block.faults.values()} == {"failed"}
    assert "3 attempts" in block.faults[0][1]
    assert client.get(keys.queued("cnn", "interactive")) == b"0"


@pytest.mark.parametrize("job", [{}, {"model": "cnn@1", "cancelled": 2, "finished_ms": 1}])
def test_a_chunk_of_a_job_that_is_over_or_gone_is_dropped(client: Client, job: dict[str, str | int]) -> None:
    one = Worker(client, "one")
    if job:
        client.hset(keys.job("a"), mapping=job)
    put(client, "a", chunk=0)
    one.pull()
    assert one.held == []
    assert client.xlen(keys.stream("cnn", "bulk")) == 0
    assert client.get(keys.queued("cnn", "bulk")) == b"0"


def test_what_is_no_entry_is_discarded_and_harms_nobody(client: Client) -> None:
    one = Worker(client, "one")
    client.xadd(STREAM, {"h": b"{}", "x": images(2).tobytes()})
    client.xadd(STREAM, {"nonsense": b"1"})
    client.incrby(keys.queued("cnn", "interactive"), 2)
    put(client, "a")
    one.pull()
    assert one.held == [("a", 1)]
    assert client.xlen(STREAM) == 1
    assert client.get(keys.queued("cnn", "interactive")) == b"2"


def test_a_stale_consumer_is_forgotten_but_not_one_that_owns_something(client: Client) -> None:
    one, two = Worker(client, "one"), Worker(client, "two")
    put(client, "a")
    one.pull()
    two.pull()
    client.xgroup_createconsumer(STREAM, keys.GROUP, "three")
    watcher = Leases(client, "watcher", ["cnn"], two.deliveries, lease_ms=0)
    wait_until_idle(client)
    watcher.forget_stale_consumers()
    assert {consumer["name"] for consumer in client.xinfo_consumers(STREAM, keys.GROUP)} == {b"one"}


def wait_until_idle(client: Client) -> None:
    """Until every consumer has been silent for a millisecond of Redis's own clock."""
    while min(consumer["idle"] for consumer in client.xinfo_consumers(STREAM, keys.GROUP)) < 1:
        client.ping()
