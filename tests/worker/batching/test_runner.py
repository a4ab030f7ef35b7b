"""Answers go back to where their images came from: each to its own delivery and position."""

import threading
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest

from shared.answers import Answers
from shared.contract.block import NO_PREDICTION
from shared.contract.entry import Entry
from shared.contract.layers_blob import LayerOutput, decode_layers, layer_output
from shared.contract.model_spec import MNIST_SPEC
from shared.errors import ModelError
from shared.images import Images
from shared.redis.clock import RedisClock
from tests.worker.support.deliveries_of import delivery, images
from worker.batching.backlog import Backlog
from worker.batching.finish import ReadNext
from worker.batching.hand_over import next_batch
from worker.batching.runner import Runner
from worker.delivery import Delivery
from worker.reporting.batch_report import BatchReport
from worker.watchdog import Watchdog


class FakeEnginePool:
    """Answers with a one-hot row at each image's first pixel modulo 10; `poison` raises; `nope@1` will not load.

    `closed` says why its layers are not shown.
    """

    poison = 255
    closed = ""
    rule = 0.0
    spec = MNIST_SPEC

    def __init__(self, max_batch_images: int) -> None:
        self._max_batch_images = max_batch_images
        self.permits = threading.Semaphore(8)
        self.reserved: list[str] = []

    def max_images(self, ref: str) -> int:
        return self._max_batch_images

    def reserve(self, ref: str) -> int:
        self.reserved.append(ref)
        return self._max_batch_images

    def observe(self, ref: str, images: int, model_ms: float) -> None:
        assert images >= 0
        assert model_ms >= 0

    def lend(self, ref: str) -> Any:
        return ModelError("no model 'nope'") if ref == "nope@1" else self

    def take_back(self, ref: str, engine: object) -> None:
        self.reserved.remove(ref)

    def predict(self, batch: Images, pause: Callable[[], None] = lambda: None) -> Answers:
        for _ in range(0, len(batch), self._max_batch_images):
            pause()
        if (batch[:, 0, 0] == self.poison).any():
            raise ValueError("poison")
        return Answers(np.eye(10, dtype=np.float32)[batch[:, 0, 0] % 10])

    def look_inside(self, batch: Images) -> tuple[Answers, list[LayerOutput]]:
        if self.closed:
            raise ModelError(self.closed)
        answer = self.predict(batch)
        return answer, [layer_output("probabilities", "Softmax", answer.probabilities[0])]


class FakeFinisher:
    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []

    def finish(self, deliveries: list[Delivery], read_next: ReadNext) -> int:
        read_next()
        self.deliveries += deliveries
        return 0


class FakeSuspects:
    """Records the marks; None is a cleared one."""

    def __init__(self) -> None:
        self.marks: list[int | None] = []

    def mark(self, delivery: Delivery, survived: int | None, position: int | None) -> None:
        assert survived == (self.marks[-1] if self.marks else None)
        self.marks.append(position)


def runner_of(
    backlog: Backlog,
    engines: Any,
    finisher: Any,
    suspects: Any = None,
    report: Callable[[BatchReport], None] = lambda _: None,
    answered: Callable[[str, Images, Answers], None] = lambda *_: None,
) -> Runner:
    watchdog = Watchdog(60)
    in_model, in_redis = watchdog.model_pulse("run"), watchdog.redis_pulse("run")
    return Runner(
        backlog, engines, finisher, report, lambda _: None, answered, suspects, RedisClock(), in_model, in_redis
    )


def run(deliveries: list[Delivery], max_batch_images: int = 64, threads: int = 1) -> list[BatchReport]:
    """Run everything, and return the reports; every delivery is finished once."""
    return run_marked(deliveries, FakeSuspects(), max_batch_images, threads)


def run_marked(
    deliveries: list[Delivery], suspects: FakeSuspects, max_batch_images: int = 64, threads: int = 1
) -> list[BatchReport]:
    engines: Any = FakeEnginePool(max_batch_images)
    backlog = Backlog(engines, at_a_time=1, bulk_entry_images=1000)
    backlog.put(deliveries)
    backlog.close()
    finisher = FakeFinisher()
    reports: list[BatchReport] = []
    answered: list[tuple[int, int]] = []
    runner = runner_of(
        backlog,
        engines,
        finisher,
        suspects,
        reports.append,
        lambda ref, images, answers: answered.extend(
            zip(images[:, 0, 0].tolist(), answers.probabilities.argmax(axis=1).tolist(), strict=True)
        ),
    )
    runners = [threading.Thread(target=runner.run) for _ in range(threads)]
    for each in runners:
        each.start()
    for each in runners:
        each.join(30)
    assert engines.reserved == []
    assert len(answered) == sum(report.images - report.failed for report in reports)
    assert all(first_pixel % 10 == prediction for first_pixel, prediction in answered)
    assert sorted(map(id, finisher.deliveries)) == sorted(map(id, deliveries))
    return reports


def with_first_pixels(first_pixels: list[int], **more: Any) -> Delivery:
    made = delivery(len(first_pixels))
    pixels = images(len(first_pixels))
    pixels[:, 0, 0] = first_pixels
    entry = Entry("0123456789abcdef", "cnn@1", pixels.tobytes(), 0, **more)
    return Delivery(entry, made.stream, made.lane, made.entry_id)


def test_each_image_gets_its_own_answer_in_batches_of_any_size() -> None:
    for size in (1, 3, 7, 64):
        made = [with_first_pixels([4, 7, 1]), with_first_pixels([9] * 5), with_first_pixels([0, 2])]
        reports = run(made, max_batch_images=size)
        assert [each.predictions.tolist() for each in made] == [[4, 7, 1], [9] * 5, [0, 2]]
        assert made[0].probabilities[1, 7] == 1
        assert sum(report.images for report in reports) == 10


def test_entries_cut_over_the_batches_of_several_threads_are_complete_once() -> None:
    made = [with_first_pixels(list(range(200))) for _ in range(5)]
    run(made, max_batch_images=7, threads=4)
    for each in made:
        assert each.predictions.tolist() == [number % 10 for number in range(200)]


def test_an_image_that_raises_an_error_fails_alone_in_any_batch() -> None:
    made = [with_first_pixels([4, 255, 1]), with_first_pixels([9, 9])]
    reports = run(made)
    assert made[0].predictions.tolist() == [4, NO_PREDICTION, 1]
    assert list(made[0].faults) == [1]
    assert made[0].faults[1][0] == "failed"
    assert made[1].faults == {}
    assert (reports[0].failed, "poison" in reports[0].reason) == (1, True)


def test_an_image_whose_deadline_passed_is_not_run() -> None:
    made = with_first_pixels([4, 7, 1], deadlines_ms=(0, 1, 2**53))
    reports = run([made])
    assert made.predictions.tolist() == [4, NO_PREDICTION, 1]
    assert made.faults == {1: ("expired", "its deadline passed in the queue")}
    assert reports[0].images == 2


def test_a_batch_in_which_every_deadline_passed_runs_nothing() -> None:
    made = with_first_pixels([4, 7], deadlines_ms=(1, 1))
    assert run([made])[0].images == 0
    assert len(made.faults) == 2


def test_images_of_a_model_that_will_not_load_fail_with_the_reason() -> None:
    made = delivery(3, model="nope@1")
    run([made, with_first_pixels([5])])
    assert {reason for _, reason in made.faults.values()} == {"no model 'nope'"}


def test_a_result_describes_its_batches() -> None:
    made = with_first_pixels(list(range(10)))
    made.lane = "interactive"
    run([made], max_batch_images=4)
    assert made.batch_images == 4
    assert made.model_ms > 0
    assert made.queue_ms > 0


def test_a_suspect_is_run_alone_and_image_by_image_each_of_them_marked() -> None:
    made = with_first_pixels([4, 255, 1, 9])
    made.attempt = 2
    made.faults = {3: ("failed", "moved to the dead letters")}
    suspects = FakeSuspects()
    beside = with_first_pixels([2, 2])
    reports = run_marked([made, beside], suspects)
    assert suspects.marks == [0, 1, 2, None]
    assert [report.images for report in reports] == [3, 2]
    assert made.predictions.tolist() == [4, NO_PREDICTION, 1, NO_PREDICTION]
    assert made.faults[3] == ("failed", "moved to the dead letters")
    assert "poison" in made.faults[1][1]
    assert beside.predictions.tolist() == [2, 2]


def test_a_verbose_image_has_its_layers_next_to_its_answer() -> None:
    made, plain = with_first_pixels([7], verbose=True), with_first_pixels([4, 2])
    reports = run([plain, made])
    assert [report.images for report in reports] == [2, 1]
    assert (made.predictions.tolist(), made.faults, plain.layers) == ([7], {}, b"")
    seen = decode_layers(made.layers)
    assert bytes(seen.pixels) == made.entry.pixels
    assert seen.outputs[0].values.tolist() == np.eye(10)[7].tolist()


def test_layers_that_are_not_to_be_had_keep_nobody_from_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeEnginePool, "closed", "no layers to show")
    made = with_first_pixels([7], verbose=True)
    run([made])
    assert (made.predictions.tolist(), made.faults) == ([7], {})
    seen = decode_layers(made.layers)
    assert (seen.outputs, "no layers to show" in seen.error) == ([], True)


def test_a_verbose_image_fails_or_expires_like_any_other() -> None:
    raises, late = with_first_pixels([255], verbose=True), with_first_pixels([7], verbose=True, deadlines_ms=(1,))
    run([raises, late])
    assert "poison" in raises.faults[0][1]
    assert late.faults == {0: ("expired", "its deadline passed in the queue")}
    assert late.layers == b""


def test_a_verbose_suspect_is_marked_and_keeps_its_layers() -> None:
    made = with_first_pixels([7], verbose=True)
    made.attempt = 2
    suspects = FakeSuspects()
    run_marked([made], suspects)
    assert suspects.marks == [0, None]
    assert decode_layers(made.layers).outputs[0].name == "probabilities"


def test_an_image_with_a_fault_from_before_is_not_run() -> None:
    made = with_first_pixels([4, 7, 1])
    made.faults = {1: ("cancelled", "its client went away")}
    assert run([made])[0].images == 2
    assert made.predictions.tolist() == [4, NO_PREDICTION, 1]
    assert made.faults == {1: ("cancelled", "its client went away")}


def test_a_batch_whose_run_raises_leaves_its_engine_and_its_permit_free() -> None:
    engines: Any = FakeEnginePool(8)
    engines.permits = threading.Semaphore(1)
    backlog = Backlog(engines, at_a_time=1, bulk_entry_images=1000)
    for model in ("cnn@1", "nope@1"):
        backlog.put([delivery(3, model=model)])
        with pytest.raises(RuntimeError), next_batch(backlog, engines):
            raise RuntimeError
        assert engines.reserved == []
    with next_batch(backlog, engines) as handed_over:
        assert handed_over is None
        assert not engines.permits.acquire(blocking=False)


class PassedByOne(FakeEnginePool):
    """Puts `single` into the backlog while a batch of a job runs."""

    def __init__(self, single: Delivery) -> None:
        super().__init__(max_batch_images=4)
        self.permits = threading.Semaphore(1)
        pool: Any = self
        self.backlog = Backlog(pool, at_a_time=1, bulk_entry_images=1000)
        self.single: Delivery | None = single

    def predict(self, batch: Images, pause: Callable[[], None] = lambda: None) -> Answers:
        if self.single is not None and len(batch) > 1:
            single, self.single = self.single, None
            self.backlog.put([single])
        return super().predict(batch, pause)


@pytest.mark.parametrize("model", ["cnn@1", "other@1", "nope@1"])
def test_a_single_of_any_version_passes_between_two_runs_of_a_job(model: str) -> None:
    single, job = delivery(1, "interactive", model=model), with_first_pixels(list(range(20)))
    busy: list[bool] = []

    class Finisher(FakeFinisher):
        def finish(self, deliveries: list[Delivery], read_next: ReadNext) -> int:
            busy.append(runner.in_model.since_s is not None)
            return super().finish(deliveries, read_next)

    engines, finisher, reports = PassedByOne(single), Finisher(), list[BatchReport]()
    runner = runner_of(engines.backlog, engines, finisher, report=reports.append)
    engines.backlog.put([job])
    engines.backlog.close()
    runner.run()
    assert finisher.deliveries == [single, job]
    assert job.predictions.tolist() == [number % 10 for number in range(20)]
    assert bool(single.faults) == (model == "nope@1")
    assert [report.images for report in reports] == [1, 20]
    assert busy == [False, False], "the watchdog would end the worker while results wait for Redis"
    assert engines.reserved == []
    assert engines.permits.acquire(blocking=False)


@pytest.mark.parametrize("chunk", ["verbose", "suspect", "of a version that does not load"])
def test_a_single_passes_a_job_whose_run_has_no_pauses(chunk: str) -> None:
    single = delivery(1, "interactive")
    job = delivery(1, model="nope@1" if "load" in chunk else "cnn@1", verbose=chunk == "verbose")
    job.attempt = 2 if chunk == "suspect" else 1
    engines, finisher = FakeEnginePool(max_batch_images=4), FakeFinisher()
    backlog = Backlog(cast("Any", engines), at_a_time=1, bulk_entry_images=1000)
    backlog.put([job, single])
    backlog.close()
    runner_of(backlog, engines, finisher, FakeSuspects()).run()
    assert finisher.deliveries == [single, job]
    assert engines.reserved == []


def test_an_error_of_a_single_that_passes_is_raised_and_is_no_fault_of_the_job() -> None:
    class Broken(FakeFinisher):
        def finish(self, deliveries: list[Delivery], read_next: ReadNext) -> int:
            raise RuntimeError("no results can be written")

    job = with_first_pixels(list(range(20)))
    engines = PassedByOne(delivery(1, "interactive"))
    engines.backlog.put([job])
    with pytest.raises(RuntimeError, match="no results"):
        runner_of(engines.backlog, engines, Broken()).run()
    assert job.faults == {}
    assert engines.reserved == []
