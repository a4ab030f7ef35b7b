"""The thread that reads entries runs short batches itself, and leaves the others to the threads of the runners."""

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

from shared.config.settings import Settings
from shared.contract.block.codec import decode_block
from shared.contract.entry import Entry
from shared.contract.entry.codec import encode_header
from shared.redis import keys
from shared.redis.clients import SyncClient
from shared.redis.clock import RedisClock
from tests.worker.batching.test_runner import FakeEnginePool
from tests.worker.support.deliveries_of import delivery, images
from worker.batching.backlog import Backlog
from worker.batching.deferred import Deferred
from worker.batching.direct_connection import DirectConnection
from worker.batching.finish import FINISH, FINISH_SINGLES, Finisher
from worker.batching.held_entries import HeldEntries
from worker.batching.intake import ENTRIES_PER_PULL, Intake, ensure_groups
from worker.batching.runner import Runner, call_now
from worker.batching.suspects import Suspects
from worker.reporting.batch_report import BatchReport
from worker.reporting.metrics import Metrics
from worker.reporting.postponed import Postponed
from worker.watchdog import Watchdog

SHORT_IMAGES = 4
MAX_CALLS_OF_ONE_ENTRY, MAX_CALLS_PER_ENTRY = 90, 36
STREAM = keys.stream("cnn", "interactive")


class Pool(FakeEnginePool):
    """One engine, for which SHORT_IMAGES are a short batch."""

    def __init__(self) -> None:
        super().__init__(max_batch_images=8)
        self.permits = threading.Semaphore(1)

    def lend_idle(self, ref: str, images: int) -> Any:
        if images > SHORT_IMAGES or ref == "nope@1" or not self.permits.acquire(blocking=False):
            return None
        self.reserve(ref)
        return self.lend(ref)


class Recorded(DirectConnection):
    """Records the names of commands, and when replies are awaited: then the added commands are sent in one write."""

    def __init__(self, client: SyncClient) -> None:
        super().__init__(client, FINISH, FINISH_SINGLES)
        self.calls: list[str] = []

    def add(self, packed: bytes) -> None:
        self.calls.append(packed.split(b"\r\n")[2].decode())
        super().add(packed)

    def receive(self) -> Any:
        self.calls.append("receive")
        return super().receive()


class Puller:
    """The intake of the interactive lane of `cnn`, in the thread of the test. `reports` has the batches that it ran.

    With `postponed`, these are there once it has called them.
    """

    def __init__(self, client: SyncClient, postponed: Postponed | None = None) -> None:
        ensure_groups(client, ["cnn"])
        self.client = client
        self.pool: Any = Pool()
        self.backlog = Backlog(self.pool, at_a_time=1, bulk_entry_images=256)
        self.reports: list[BatchReport] = []
        self.stopping = threading.Event()
        settings, clock, pulse = Settings(), RedisClock(), Watchdog(60).redis_pulse("pull")
        self.connection = Recorded(client)
        finisher = Finisher(self.connection, "me", Metrics(), clock, settings)
        suspects = Suspects(client, "me", 3)
        self.held = HeldEntries(
            *(client, self.backlog, finisher, suspects, Deferred(client, settings), clock), load=lambda: None
        )
        runner = Runner(
            self.backlog,
            self.pool,  # type: ignore[arg-type]
            finisher,
            self.reports.append,
            self.held.finished,
            lambda *_: None,
            suspects,
            clock,
            pulse,
            pulse,
            call_now if postponed is None else postponed.add,
        )
        self.intake = Intake(
            *(client, self.connection, "interactive", "cnn", "me", self.backlog, self.held, self.stopping, pulse),
            runner,
            block_ms=1,
        )

    def put(self, uid: str, count: int, model: str = "cnn@1", **more: Any) -> None:
        pixels = images(count)
        pixels[:, 0, 0] = np.arange(count)
        entry = Entry(uid, model, pixels.tobytes(), int(time.time() * 1e6), **more)
        self.client.xadd(STREAM, {"h": encode_header(entry), "x": entry.pixels})

    def answers(self, uid: str) -> list[int] | None:
        data = self.client.get(keys.result(uid))
        return decode_block(data).predictions.tolist() if data else None


@pytest.fixture
def puller(client: SyncClient) -> Puller:
    return Puller(client)


def test_a_lone_image_is_answered_by_the_thread_that_reads_it(puller: Puller) -> None:
    puller.put("a", 1)
    puller.intake.pull()
    assert (puller.answers("a"), puller.held.all(), puller.backlog.idle) == ([0], [], True)
    assert puller.pool.permits.acquire(blocking=False)


def test_the_next_read_travels_with_the_results(puller: Puller) -> None:
    puller.put("a", 1)
    puller.intake.pull()
    assert puller.connection.calls == ["XREADGROUP", "receive", "EVALSHA", "XREADGROUP", "receive"]


def keep_engine_busy(puller: Puller) -> None:
    puller.pool.permits.acquire()


def let_a_job_wait(puller: Puller) -> None:
    puller.backlog.put([delivery(1, "bulk")])


def let_images_wait(puller: Puller) -> None:
    puller.backlog.put([delivery(SHORT_IMAGES, "interactive")])


def let_another_entry_come(puller: Puller) -> None:
    """Both entries together are too many images for a short batch."""
    puller.put("other", SHORT_IMAGES)


def let_another_version_come(puller: Puller) -> None:
    puller.put("other", 1, "cnn@2")


def do_nothing(puller: Puller) -> None:
    """The entry alone is the reason."""


@pytest.mark.parametrize(
    ("prepare", "count", "more"),
    [
        (keep_engine_busy, 1, {}),
        (let_a_job_wait, 1, {}),
        (let_images_wait, 1, {}),
        (do_nothing, SHORT_IMAGES + 1, {}),
        (do_nothing, 1, {"verbose": True}),
        (do_nothing, 1, {"model": "nope@1"}),
        (let_another_entry_come, 1, {}),
        (let_another_version_come, 1, {}),
    ],
)
def test_other_threads_are_woken_for_all_other_batches(
    puller: Puller, prepare: Callable[[Puller], None], count: int, more: dict[str, Any]
) -> None:
    prepare(puller)
    woken = threading.Thread(target=puller.backlog.wait)
    puller.put("a", count, **more)
    puller.intake.pull()
    woken.start()
    woken.join(10)
    assert not woken.is_alive()
    assert (puller.reports, puller.answers("a")) == ([], None)
    assert "a" in [each.entry.uid for each in puller.held.all()]


def test_after_a_full_pull_other_threads_run_the_model_because_more_entries_wait(puller: Puller) -> None:
    for number in range(ENTRIES_PER_PULL["interactive"]):
        puller.put(f"{number}", 1)
    puller.put("last", 1)
    puller.intake.pull()
    assert (puller.reports, puller.backlog.idle) == ([], False)


def test_several_entries_of_one_pull_are_one_batch(puller: Puller) -> None:
    puller.put("a", 1)
    puller.put("b", 2)
    puller.intake.pull()
    assert (puller.answers("a"), puller.answers("b"), puller.held.all()) == ([0], [0, 1], [])
    assert [report.images for report in puller.reports] == [3]


def test_an_image_that_raises_fails_alone_in_this_thread_too(puller: Puller) -> None:
    puller.put("a", 2)
    puller.pool.poison = 1
    puller.intake.pull()
    assert puller.answers("a") == [0, 65535]


def test_an_image_whose_deadline_has_passed_expires_in_this_thread_too(puller: Puller) -> None:
    puller.put("a", 2, deadlines_ms=(1, 0))
    puller.intake.pull()
    data = puller.client.get(keys.result("a"))
    assert isinstance(data, bytes)
    assert [decode_block(data).state(position) for position in (0, 1)] == ["expired", "done"]


def test_a_batch_costs_few_calls_of_python(client: SyncClient) -> None:
    """A call of a Python function costs about a microsecond, more than most of what it does here."""
    postponed = Postponed()
    puller = Puller(client, postponed)
    puller.stopping.set()  # no read is sent ahead: each pull brings what was put before it
    calls: Counter[str] = Counter()

    def count(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            calls[f"{Path(frame.f_code.co_filename).name}:{frame.f_code.co_name}"] += 1

    def calls_of(entries: int) -> int:
        for number in range(entries):
            puller.put(f"{entries}-{number}", 1)
        calls.clear()
        sys.setprofile(count)
        puller.intake.pull()
        sys.setprofile(None)
        postponed.call_all()
        assert puller.reports[-1].images == entries
        return calls.total()

    calls_of(1)
    one, three = calls_of(1), calls_of(3)
    assert one <= MAX_CALLS_OF_ONE_ENTRY, calls.most_common()
    assert three <= one + 2 * MAX_CALLS_PER_ENTRY, calls.most_common()


def test_a_stop_receives_what_the_last_read_brings_and_reads_no_more(puller: Puller) -> None:
    puller.put("a", 1)
    puller.intake.pull()
    puller.put("b", 1)
    puller.stopping.set()
    puller.intake.pull_forever()
    puller.put("c", 1)
    puller.intake.pull_forever()
    assert puller.answers("c") is None
    pending = puller.client.xpending(STREAM, keys.GROUP)["pending"]
    assert (pending, puller.held.all()) == (0, []), "what was delivered is answered"


def test_streams_that_are_gone_are_created_again(puller: Puller) -> None:
    """This happens after FLUSHALL, with a read on its way."""
    puller.put("a", 1)
    puller.intake.pull()
    puller.client.flushdb()
    thread = threading.Thread(target=puller.intake.pull_forever)
    thread.start()
    while not puller.client.exists(STREAM):
        thread.join(0.01)
    puller.stopping.set()
    thread.join(10)
    assert not thread.is_alive()
