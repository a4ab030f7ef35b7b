import logging

import pytest

from shared.contract.entry import Entry, Origin
from shared.contract.lane import Lane
from shared.redis.keys import stream
from tests.worker.support.deliveries_of import images
from worker.delivery import Delivery, Slice
from worker.reporting.batch_report import MAX_LINKS, MAX_REQUEST_IDS, BatchReport, log_batch, report_of

TRACES = [f"00-{number:032x}-{number:016x}-01" for number in range(1, 300)]


def part(uid: str, count: int, lane: Lane, origins: dict[int, Origin] | None = None, start: int = 0) -> Slice:
    """All of an entry from `start` on; of a job, in the bulk lane."""
    chunk = 3 if lane == "bulk" else None
    entry = Entry(uid, "cnn@1", images(count).tobytes(), 0, chunk=chunk, origins=origins or {})
    return Slice(Delivery(entry, stream("cnn", lane), lane, b"1-0"), start, count)


def report(*batch: Slice, faults: dict[int, str] | None = None) -> BatchReport:
    """Everything was run."""
    return report_of(batch, [range(part.start, part.stop) for part in batch], faults or {}, 0.0, 0.5, 1.0, [])


def test_a_batch_is_reported_with_its_model_its_images_and_their_lanes() -> None:
    summary = report(part("a", 2, "interactive"), part("j", 23, "bulk"), part("b", 39, "interactive"))
    assert summary.title == "cnn@1 n=64 interactive 41 / bulk 23"
    assert (summary.images, summary.failed, summary.reason) == (64, 0, "")


def test_images_that_had_expired_were_not_run_and_do_not_count() -> None:
    batch = [part("a", 3, "interactive"), part("j", 4, "bulk")]
    summary = report_of(batch, [[0, 2], []], {}, 0.0, 0.5, 1.0, [])
    assert summary.title == "cnn@1 n=2 interactive 2 / bulk 0"
    assert summary.request_ids == ("a-0", "a-2")


def test_its_requests_are_reported_once_by_their_own_ids_or_those_of_their_results_and_jobs() -> None:
    singles = part("a", 3, "interactive", {1: Origin("brought")}, start=1)
    summary = report(singles, part("j", 50, "bulk", {0: Origin("of-the-job")}, start=20))
    assert summary.request_ids == ("brought", "a-2", "of-the-job")
    again = part("j", 50, "bulk", {0: Origin("of-the-job")})
    assert report(again, again).request_ids == ("of-the-job",)


def test_if_images_failed_only_their_ids_are_reported() -> None:
    batch = part("a", 3, "interactive"), part("j", 5, "bulk"), part("b", 2, "interactive")
    summary = report(*batch, faults={1: "why", 6: "why", 9: "why"})
    assert (summary.failed, summary.reason) == (3, "why")
    assert summary.request_ids == ("a-1", "j", "b-1")


def test_there_are_only_so_many_of_them() -> None:
    origins = {position: Origin("", trace) for position, trace in enumerate(TRACES)}
    summary = report(part("a", 299, "interactive", origins))
    assert summary.request_ids == tuple(f"a-{position}" for position in range(MAX_REQUEST_IDS))
    assert summary.traceparents == tuple(TRACES[:MAX_LINKS])


def test_traces_are_those_of_the_images_in_the_batch_each_once_and_a_jobs_in_every_batch() -> None:
    singles = part("a", 3, "interactive", {0: Origin("", TRACES[0]), 2: Origin("", TRACES[2])}, start=1)
    job = part("j", 50, "bulk", {0: Origin("r", TRACES[3])}, start=20)
    again = part("j", 50, "bulk", {0: Origin("r", TRACES[3])})
    assert report(singles, job, again).traceparents == (TRACES[2], TRACES[3])


@pytest.mark.parametrize(
    ("faults", "took_s", "level", "expected"),
    [
        ({0: "why"}, 0.0, logging.INFO, "images failed"),
        ({}, 0.2, logging.INFO, "slow batch"),
        ({}, 0.0, logging.INFO, None),
        ({}, 0.0, logging.DEBUG, "batch"),
    ],
)
def test_a_batch_is_logged_where_something_failed_or_was_slow(
    faults: dict[int, str], took_s: float, level: int, expected: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(level)
    log_batch(BatchReport("cnn@1", 1, 1, len(faults), 100, 100 + took_s, 1.0, [], faults.get(0, ""), ("mine",)), 100)
    assert [record.message for record in caplog.records] == ([expected] if expected else [])
    for record in caplog.records:
        summary = vars(record)["fields"]
        assert (summary["request_ids"], summary.get("reason")) == (["mine"], faults.get(0))
