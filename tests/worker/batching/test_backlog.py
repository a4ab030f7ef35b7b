"""Entries run when their version is loaded, nobody waits for long, and no more is pulled than can be run."""

import threading

import pytest

from shared.contract.entry import Entry
from shared.contract.lane import Lane
from shared.redis.keys import stream
from tests.worker.support.deliveries_of import delivery
from tests.worker.support.versions_of import FakeVersions
from worker.batching.backlog import JOB_RUNS, PARKED_IMAGES, Backlog
from worker.delivery import Delivery


def backlog_of(**sizes: int) -> tuple[Backlog, FakeVersions]:
    versions = FakeVersions(**sizes)
    return Backlog(versions, at_a_time=1, bulk_entry_images=10), versions


def taken(backlog: Backlog) -> int:
    return sum(part.count for part in backlog.take())


def test_wait_blocks_until_something_comes() -> None:
    backlog, _ = backlog_of(cnn=64)
    found: list[bool] = []
    waiter = threading.Thread(target=lambda: found.append(backlog.wait()))
    waiter.start()
    assert backlog.idle
    assert backlog.put([delivery(1)]), "its version is loaded"
    waiter.join(10)
    assert found == [True]
    assert not backlog.idle


def test_a_batch_reserves_its_version_and_is_as_large_as_that_one_may_be() -> None:
    backlog, versions = backlog_of(cnn=64, slow=2)
    backlog.put([delivery(100, "interactive"), delivery(10, "interactive", model="slow@1")])
    assert [taken(backlog) for _ in range(4)] == [64, 2, 36, 2]
    assert versions.reserved == ["cnn@1", "slow@1", "cnn@1", "slow@1"]


def test_images_of_jobs_are_a_batch_of_several_runs_unless_singles_wait() -> None:
    backlog, _ = backlog_of(cnn=10)
    backlog.put([delivery(300)])
    assert taken(backlog) == 10 * JOB_RUNS
    backlog.put([delivery(3, "interactive")])
    assert [part.count for part in backlog.take()] == [3, 5], "only the images of a short run next to singles"
    assert taken(backlog) == 10 * JOB_RUNS


def test_singles_never_keep_all_images_of_jobs_waiting() -> None:
    backlog, _ = backlog_of(cnn=10)
    backlog.put([delivery(20, model="cnn@1"), delivery(9, "interactive", model="cnn@1")])
    assert [part.count for part in backlog.take()] == [9, 1]
    backlog, _ = backlog_of(slow=2)
    backlog.put([delivery(20, model="slow@1"), delivery(1, "interactive", model="slow@1")])
    assert [part.count for part in backlog.take()] == [1, 1]


def test_engines_share_the_last_images_of_a_job() -> None:
    backlog = Backlog(FakeVersions(cnn=10), at_a_time=2, bulk_entry_images=10)
    backlog.put([delivery(70)])
    assert [taken(backlog) for _ in range(5)] == [35, 18, 10, 7, 0]


def test_singles_are_taken_without_images_of_jobs_while_one_runs() -> None:
    backlog, versions = backlog_of(cnn=10, other=1)
    backlog.put([delivery(300)])
    assert (backlog.has_singles, backlog.take_singles()) == (False, [])
    backlog.put([delivery(4, "interactive"), delivery(8, "interactive"), delivery(1, "interactive", model="other@1")])
    assert backlog.has_singles
    assert [[part.count for part in backlog.take_singles()] for _ in range(3)] == [[4, 6], [1], [2]]
    assert (backlog.has_singles, backlog.take_singles()) == (False, [])
    assert versions.reserved == ["cnn@1", "other@1", "cnn@1"]


def test_a_thread_that_waits_ends_with_the_last_singles_of_a_closed_backlog() -> None:
    backlog, versions = backlog_of()
    backlog.put([delivery(1, "interactive")])
    backlog.close()
    found: list[bool] = []
    waiter = threading.Thread(target=lambda: found.append(backlog.wait()))
    waiter.start()
    versions.sizes["cnn@1"] = 8  # without a notification
    assert backlog.take_singles()
    waiter.join(10)
    assert found == [False]


def test_a_suspect_and_a_version_that_is_not_loaded_do_not_pass_a_job() -> None:
    backlog, versions = backlog_of(cnn=10)
    suspect = delivery(1, "interactive")
    suspect.attempt = 2
    backlog.put([suspect, delivery(1, "interactive", model="new@1")])
    assert (backlog.take_singles(), versions.reserved) == ([], [])
    assert backlog.take()[0].delivery is suspect


def test_entries_of_a_version_that_is_not_loaded_wait_and_hold_up_no_other() -> None:
    backlog, versions = backlog_of(cnn=64)
    assert not backlog.put([delivery(5, "interactive", model="new@1"), delivery(3)])
    assert taken(backlog) == 3
    assert (taken(backlog), backlog.idle, backlog.waiting()) == (0, True, ["new@1"])
    found: list[bool] = []
    waiter = threading.Thread(target=lambda: found.append(backlog.wait()))
    waiter.start()
    versions.sizes["new@1"] = 8
    backlog.loaded()
    waiter.join(10)
    assert found == [True]
    assert taken(backlog) == 5


def test_a_closed_backlog_gives_out_what_it_has_and_then_ends_the_wait() -> None:
    backlog, _ = backlog_of(cnn=64)
    backlog.put([delivery(100, "interactive")])
    backlog.close()
    assert not backlog.wait_for_room("bulk", "cnn")
    assert [(backlog.wait(), taken(backlog)) for _ in range(2)] == [(True, 64), (True, 36)]
    assert not backlog.wait()


def test_a_closed_backlog_waits_for_the_version_of_what_it_has() -> None:
    backlog, versions = backlog_of()
    backlog.put([delivery(4)])
    backlog.close()
    ended = threading.Event()

    def run() -> None:
        while backlog.wait():
            backlog.take()
        ended.set()

    runner = threading.Thread(target=run)
    runner.start()
    assert not ended.wait(0.05)
    versions.sizes["cnn@1"] = 64
    backlog.loaded()
    runner.join(10)
    assert ended.is_set()


def test_room_is_counted_by_lane_and_comes_back_as_images_are_taken() -> None:
    backlog, _ = backlog_of(cnn=1)
    backlog.put([delivery(15)])
    assert backlog.wait_for_room("interactive", "cnn")
    found_room = threading.Event()

    def wait() -> None:
        backlog.wait_for_room("bulk", "cnn")
        found_room.set()

    waiter = threading.Thread(target=wait)
    waiter.start()
    assert taken(backlog) == 5
    assert not found_room.is_set(), "10 images still wait, which is an entry"
    backlog.take()
    assert found_room.wait(10)
    waiter.join(10)


def test_a_model_with_no_room_leaves_it_to_the_others() -> None:
    backlog, _ = backlog_of(cnn=8, slow=1)
    backlog.put([delivery(2, "interactive", model="slow@1"), delivery(15, "interactive")])
    assert not backlog.has_room("interactive", "slow")
    assert backlog.has_room("interactive", "cnn")
    assert backlog.has_room("interactive", "other")


@pytest.mark.parametrize(("lane", "count"), [("interactive", 4096), ("bulk", 512)])
def test_what_waits_for_a_load_takes_no_room_until_it_is_very_much(lane: Lane, count: int) -> None:
    backlog, _ = backlog_of(cnn=8)
    parked = [delivery(count, lane, model="cnn@2") for _ in range(PARKED_IMAGES[lane] // count)]
    backlog.put(parked[:-1])
    assert backlog.has_room(lane, "cnn")
    backlog.put(parked[-1:])
    assert not backlog.has_room(lane, "cnn")
    assert backlog.has_room(lane, "other")


def test_large_images_that_wait_for_a_load_are_counted_by_their_bytes() -> None:
    backlog, _ = backlog_of(cnn=8)
    entry = Entry("a", "cnn@2", bytes(18 * 96 * 96 * 3), 0, chunk=0, shape=(96, 96, 3))
    parked = [Delivery(entry, stream("cnn", "bulk"), "bulk", b"%d-0" % number) for number in range(34)]
    backlog.put(parked[:-1])
    assert backlog.has_room("bulk", "cnn")
    backlog.put(parked[-1:])
    assert not backlog.has_room("bulk", "cnn")
