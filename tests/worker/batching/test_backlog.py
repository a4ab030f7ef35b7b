"""Entries run when their version is loaded, nobody waits for long, and no more is pulled than can be run."""

import threading
from itertools import count

import pytest

from shared.contract.entry import Entry
from shared.contract.lane import Lane
from shared.redis.keys import stream
from tests.worker.support.deliveries_of import delivery
from tests.worker.support.versions_of import FakeVersions
from worker.batching.backlog import GATHER_S, JOB_RUNS, PARKED_IMAGES, Backlog
from worker.delivery import Delivery


def backlog_of(**sizes: int) -> tuple[Backlog, FakeVersions]:
    """Return a backlog whose singles are always due, because its clock advances at each look."""
    versions = FakeVersions(**sizes)
    return Backlog(versions, at_a_time=1, bulk_entry_images=10, clock_s=count(1).__next__), versions


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


def test_images_of_jobs_are_a_batch_of_several_runs_that_singles_interrupt() -> None:
    backlog, _ = backlog_of(cnn=10)
    backlog.put([delivery(300), delivery(3, "interactive"), delivery(3, "interactive", model="new@1")])
    assert taken(backlog) == 10 * JOB_RUNS
    assert [part.count for part in backlog.take_singles()] == [3]
    assert taken(backlog) == 10 * JOB_RUNS


def test_a_job_of_another_version_runs_while_singles_keep_coming() -> None:
    backlog, versions = backlog_of(cnn=10, slow=2)
    backlog.put([delivery(2, model="slow@1"), delivery(30, "interactive")])
    assert [taken(backlog) for _ in range(2)] == [2, 10]
    assert versions.reserved == ["slow@1", "cnn@1"]


def test_singles_are_gathered_while_a_job_runs() -> None:
    now_s = 5.0
    backlog = Backlog(FakeVersions(cnn=10, other=1), at_a_time=1, bulk_entry_images=10, clock_s=lambda: now_s)

    def put_single(images: int = 1, model: str = "cnn@1") -> None:
        backlog.put([delivery(images, "interactive", model=model)])

    def passing() -> list[int]:
        return [part.count for part in backlog.take_singles()]

    put_single()
    assert passing() == [1], "the first one runs at once"
    put_single()
    assert passing() == []
    put_single(model="other@1")
    assert passing() == [1], "of another version"
    now_s += 0.5 * GATHER_S
    put_single(2)
    assert passing() == []
    now_s += 0.6 * GATHER_S
    assert passing() == [1, 2]
    put_single(10)
    assert passing() == [10], "a full batch does not wait"
    put_single()
    assert taken(backlog) == 1, "without a job, singles are not gathered"


def test_no_single_waits_for_a_suspect_of_a_job_to_be_gathered() -> None:
    """A suspect runs without pauses."""
    backlog = Backlog(FakeVersions(cnn=10), at_a_time=1, bulk_entry_images=10, clock_s=lambda: 5.0)
    suspect = delivery(3)
    suspect.attempt = 2
    backlog.put([delivery(1, "interactive")])
    assert backlog.take_singles()
    backlog.put([suspect, delivery(1, "interactive")])
    assert backlog.take_singles() == []
    assert backlog.take()[0].delivery is suspect
    assert backlog.take_singles()


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


@pytest.mark.parametrize(("lane", "images"), [("interactive", 4096), ("bulk", 512)])
def test_what_waits_for_a_load_takes_no_room_until_it_is_very_much(lane: Lane, images: int) -> None:
    backlog, _ = backlog_of(cnn=8)
    parked = [delivery(images, lane, model="cnn@2") for _ in range(PARKED_IMAGES[lane] // images)]
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
