"""A shadow is given copies of what was answered, when there is time, and its answers are counted and go nowhere."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from shared.answers import Answers
from shared.errors import ModelError
from shared.images import Images, Probabilities
from shared.redis.clients import SyncClient
from tests.worker.support.deliveries_of import delivery, images
from tests.worker.support.engines_of import engine_of
from worker.batching.backlog import Backlog
from worker.engine import Engine
from worker.reporting.tallies import Tallies
from worker.versions.shadow import MAX_COPIED_IMAGES, Shadows, compare
from worker.watchdog import Watchdog

LONG_S = 30


class Eager:
    """A model that takes every image for a 5, but raises for black ones; it says when it has run."""

    kind = "litert"

    def __init__(self) -> None:
        self.ran = threading.Semaphore(0)
        self.sizes: list[int] = []

    def run(self, batch: Images) -> Probabilities:
        self.sizes.append(len(batch))
        self.ran.release()
        if not batch.any():
            raise ValueError("black")
        return taken_for(*[5] * len(batch)).probabilities


class FakeEnginePool:
    """`cnn@2` is loaded, `broken@1` would not load, nothing else is there. One permit."""

    def __init__(self, model: Eager, longest: int = 64) -> None:
        runtime: Any = model
        self._engine = engine_of(runtime, {1: 1.0, longest: 9.0, 2 * longest: 11.0})
        self.permits = threading.Semaphore(1)

    def max_images(self, ref: str) -> int:
        return 64 if ref in ("cnn@1", "cnn@2", "broken@1") else 0

    reserve = max_images

    @contextmanager
    def engine(self, ref: str) -> Iterator[Engine]:
        assert not self.permits.acquire(blocking=False), "a shadow is run with a permit"
        if ref == "broken@1":
            raise ModelError(ref)
        yield self._engine


class Counted:
    """Shadows of `cnn@1`, with one permit; `counts` are those of one shadow once so many images were dealt with."""

    def __init__(self, *shadows: str) -> None:
        self.model = Eager()
        engines: Any = FakeEnginePool(self.model)
        self.engines = engines
        self.backlog = Backlog(self.engines, 1, 256)
        self.ended = threading.Event()
        self._counts: dict[str, dict[str, int]] = {}
        self._changed = threading.Condition()
        pulse = Watchdog(60).model_pulse("shadow")
        tallies: Any = self
        self.shadows = Shadows(self.engines, self.backlog, lambda: {"cnn@1": shadows}, tallies, self.ended, pulse)
        self.thread = threading.Thread(target=self.shadows.run, daemon=True)

    def add(self, key: str, counts: dict[str, int]) -> None:
        with self._changed:
            so_far = self._counts.setdefault(key.rpartition("shadow:")[2], {})
            for field, count in counts.items():
                so_far[field] = so_far.get(field, 0) + count
            self._changed.notify_all()

    def counts(self, key: str, images: int) -> dict[str, int]:
        def dealt_with() -> int:
            found = self._counts.get(key, {})
            return sum(found.get(field, 0) for field in ("images", "failed", "skipped"))

        with self._changed:
            assert self._changed.wait_for(lambda: dealt_with() >= images, LONG_S), self._counts
            return {field: count for field, count in self._counts[key].items() if count}


@contextmanager
def shadowing(*shadows: str) -> Iterator[Counted]:
    counted = Counted(*shadows)
    counted.thread.start()
    try:
        yield counted
    finally:
        counted.ended.set()
        counted.thread.join(LONG_S)
    assert not counted.thread.is_alive()


def taken_for(*digits: int) -> Answers:
    return Answers(np.eye(10, dtype=np.float32)[list(digits)])


def test_agreement_and_every_pair_that_differs_are_counted() -> None:
    with shadowing("cnn@2") as counted:
        counted.shadows.offer("cnn@1", images(5), taken_for(5, 3, 5, 3, 9))
        assert counted.counts("cnn:1:2", 5) == {"images": 5, "agree": 2, "3>5": 2, "9>5": 1}


def test_a_version_without_a_shadow_is_not_copied() -> None:
    with shadowing("cnn@2") as counted:
        counted.shadows.offer("cnn@3", images(5), taken_for(*[1] * 5))
        counted.shadows.offer("cnn@1", images(1), taken_for(5))
        counted.counts("cnn:1:2", 1)
        assert counted.model.sizes == [1]


def test_an_image_that_the_shadow_fails_on_is_counted_as_that() -> None:
    with shadowing("cnn@2") as counted:
        batch = images(3)
        batch[1] = 0
        counted.shadows.offer("cnn@1", batch[1:2], taken_for(5))
        assert counted.counts("cnn:1:2", 1) == {"failed": 1}


def test_a_shadow_that_is_not_loaded_or_will_not_load_is_skipped() -> None:
    with shadowing("cnn@9") as counted:
        counted.shadows.offer("cnn@1", images(5), taken_for(*[1] * 5))
        assert counted.counts("cnn:1:9", 5) == {"skipped": 5}
    with shadowing("broken@1") as counted:
        counted.shadows.offer("cnn@1", images(5), taken_for(*[1] * 5))
        assert counted.counts("cnn:1:1", 5) == {"skipped": 5}


def test_a_shadow_runs_in_batches_that_hold_nobody_up_for_long() -> None:
    with shadowing("cnn@2") as counted:
        counted.shadows.offer("cnn@1", images(150), taken_for(*[5] * 150))
        assert counted.counts("cnn:1:2", 150) == {"images": 150, "agree": 150}
        assert counted.model.sizes == [64, 64, 64], "the last of them padded"


def test_what_waits_for_a_permit_goes_before_a_shadow_and_what_does_not_fit_is_skipped() -> None:
    with shadowing("cnn@2") as counted:
        counted.backlog.put([delivery(1, model="cnn@1")])
        for _ in range(3):
            counted.shadows.offer("cnn@1", images(MAX_COPIED_IMAGES // 2), taken_for(*[5] * (MAX_COPIED_IMAGES // 2)))
        assert counted.counts("cnn:1:2", 1) == {"skipped": MAX_COPIED_IMAGES // 2}
        assert counted.model.sizes == []
        counted.backlog.take()
        assert counted.counts("cnn:1:2", 3 * MAX_COPIED_IMAGES // 2)["images"] == MAX_COPIED_IMAGES


def test_a_shadow_waits_for_a_free_engine() -> None:
    with shadowing("cnn@2") as counted:
        with counted.engines.permits:
            counted.shadows.offer("cnn@1", images(1), taken_for(5))
            assert not counted.model.ran.acquire(timeout=0.05)
        assert counted.model.ran.acquire(timeout=LONG_S)


def test_compare_counts_pairs() -> None:
    assert compare(np.array([3, 3, 1]), np.array([3, 5, 1])) == {"images": 3, "agree": 2, "3>5": 1}
    assert compare(np.array([], int), np.array([], int)) == {"images": 0, "agree": 0}


def test_the_counts_are_kept_under_the_versions_that_they_compare(client: SyncClient) -> None:
    counted = Counted("cnn@7")
    tallies = Tallies(100)
    shadows = Shadows(
        counted.engines,
        counted.backlog,
        lambda: {"cnn@1": ("cnn@7",)},
        tallies,
        counted.ended,
        Watchdog(60).model_pulse("shadow"),
    )
    shadows.offer("cnn@1", images(MAX_COPIED_IMAGES + 1), taken_for(*[5] * (MAX_COPIED_IMAGES + 1)))
    tallies.write(client)
    assert client.hgetall("mnistified:shadow:cnn:1:7") == {b"skipped": b"4097"}
