"""The entries for batches in Flower."""

from types import SimpleNamespace
from typing import Any

import numpy as np
from msgspec import structs

from worker.reporting.batch_report import BatchPart, BatchReport
from worker.reporting.flower_events import GATHER_S, BatchEvents, entries_of


def batch(number: int = 0, model: str = "cnn@3", failed: int = 0, images: int = 64) -> BatchReport:
    parts = [BatchPart("bulk", images, 10.0 * number)]
    start_s = 100.0 + number / 100
    return BatchReport(
        model, images, 24, failed, start_s, start_s + 0.01, 2.0 + number, parts, "no" * bool(failed), (f"r{number}",)
    )


def test_a_few_batches_have_an_entry_each() -> None:
    entries = list(entries_of([batch(0), batch(1), batch(2, "seed@1"), batch(3, "seed@1")]))
    assert [entry.title for entry in entries] == [
        *["cnn@3 n=64 interactive 24 / bulk 40"] * 2,
        *["seed@1 n=64 interactive 24 / bulk 40"] * 2,
    ]
    assert [entry.result for entry in entries[:2]] == [
        "queue 0 ms at most, model 2.0 ms",
        "queue 10 ms at most, model 3.0 ms",
    ]


def test_many_batches_of_a_version_share_an_entry() -> None:
    shared, other = entries_of([*(batch(number) for number in range(41)), batch(0, "seed@1")])
    assert shared.title == "cnn@3 n=2,624 in 41 batches interactive 984 / bulk 1,640"
    assert shared.result == "queue 400 ms at most, model 22.0 ms on average"
    assert (shared.started_s, round(shared.finished_s, 6), round(shared.runtime_s, 6)) == (100.0, 100.41, 0.41)
    assert shared.request_ids == [f"r{number}" for number in range(8)]
    assert other.title.startswith("seed@1 n=64 ")


def test_a_failed_batch_keeps_its_entry() -> None:
    failed, shared = entries_of([*(batch(number) for number in range(20)), batch(7, failed=3)])
    assert (failed.fault, failed.request_ids) == ("3 of 64 images failed: no", ["r7"])
    assert (shared.title[:19], shared.fault) == ("cnn@3 n=1,280 in 20", "")


def test_an_entry_shows_the_most_frequent_labels() -> None:
    labels = ("cat", 'a "dog", or so', "b" * 60, "no bird", "fish")
    one = structs.replace(batch(0, images=4), predictions=np.array([1, 0, 1, 2], np.uint16), labels=labels)
    two = structs.replace(batch(1, images=3), predictions=np.array([3, 1, 4], np.uint16), labels=labels)
    (entry,) = entries_of([one])
    assert entry.result.split("; ")[0] == f'2 × a "dog", or so, 1 × cat, 1 × {"b" * 39}…'
    (entry,) = entries_of([one, two] * 5)
    assert entry.result.split("; ")[0] == f'15 × a "dog", or so, 5 × cat, 5 × {"b" * 39}…, 10 others'
    (failed,) = entries_of([structs.replace(one, failed=1, reason="no")])
    assert "cat" not in failed.result


def test_a_busy_worker_sends_three_events_per_quarter_of_a_second() -> None:
    sent: list[tuple[str, dict[str, Any]]] = []
    due: list[tuple[float, Any]] = []
    dispatcher = SimpleNamespace(enabled=True, buffer_limit=24, send=lambda kind, **event: sent.append((kind, event)))
    hub = SimpleNamespace(
        call_soon=lambda call, *args: call(*args), call_later=lambda delay_s, call: due.append((delay_s, call))
    )
    events = BatchEvents(SimpleNamespace(hub=hub, consumer=SimpleNamespace(event_dispatcher=dispatcher)))
    for number in range(500):
        events.send(batch(number))
    ((delay_s, send_gathered),) = due
    assert delay_s == GATHER_S
    send_gathered()
    assert [kind for kind, _ in sent] == ["task-received", "task-started", "task-succeeded"]
    assert len({event["uuid"] for _, event in sent}) == 1
    assert dispatcher.buffer_limit > len(sent)
