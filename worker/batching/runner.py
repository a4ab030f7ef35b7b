"""Runs batches: takes a batch from the backlog, runs the model, and writes each answer to its entry."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import msgspec
import numpy as np
from redis.exceptions import ResponseError

from shared.answers import Answers, join, no_answers
from shared.contract.block import NO_PREDICTION
from shared.contract.layers_blob import Layers, encode_layers
from shared.errors import ModelError
from shared.images import Images, Probabilities
from shared.redis.clock import RedisClock
from worker.batching.backlog import Backlog
from worker.batching.finish import Finisher, ReadNext, read_nothing
from worker.batching.hand_over import next_batch, next_singles
from worker.batching.isolate import predict_isolating
from worker.batching.suspects import Suspects
from worker.delivery import Delivery, Predictions, Slice
from worker.engine import Engine
from worker.engine.pool import EnginePool
from worker.reporting.batch_report import BatchPart, BatchReport, report_of
from worker.watchdog import Pulse

logger = logging.getLogger(__name__)


class _Run(msgspec.Struct, frozen=True):
    """The result of a batch. `images` and `answers` have a row for each position in `live`, slice by slice."""

    live: list[Sequence[int]]
    images: Images
    answers: Answers
    faults: dict[int, str]
    started_s: float  # unix time by Redis's clock
    started_perf_s: float  # the same moment by `time.perf_counter`
    model_ms: float
    rule: float  # the version's threshold of scores, 0 without one
    labels: Sequence[str]  # names of the predictions, empty if the version did not load


def call_now(call: Callable[[], None]) -> None:
    call()


@dataclass(eq=False)
class Runner:
    """Runs batches in one thread. No error of a batch ends the thread.

    After the results of a batch are written, `later` calls `report` and `answered`, perhaps a moment later. `answered`
    gets the version, images and answers, without faults.
    """

    backlog: Backlog
    engines: EnginePool
    finisher: Finisher
    report: Callable[[BatchReport], None]
    finished: Callable[[list[Delivery]], None]
    answered: Callable[[str, Images, Answers], None]
    suspects: Suspects
    clock: RedisClock
    in_model: Pulse
    in_redis: Pulse
    later: Callable[[Callable[[], None]], None] = call_now
    _passed_ms: float = field(init=False, default=0.0)  # total time of singles between two runs of other batches
    _passed_error: Exception | None = field(init=False, default=None)

    def run(self) -> None:
        """Run batches until the backlog is closed and empty."""
        while self.backlog.wait():
            with next_batch(self.backlog, self.engines) as handed_over:
                if handed_over is None:
                    continue
                batch, engine = handed_over
                run = self._run_model(batch, engine)
            self._finish(batch, run, read_nothing)

    def run_at_once(self, deliveries: list[Delivery], read_next: ReadNext) -> bool:
        """Run new deliveries as one short batch, without the backlog. Returns whether it has run them.

        Runs them only if an engine is free now and no other image waits for an engine.
        """
        if not deliveries or self.backlog:
            return False
        first, images = deliveries[0].entry, 0
        for delivery in deliveries:
            entry = delivery.entry
            if delivery.attempt > 1 or entry.verbose or entry.model != first.model or entry.shape != first.shape:
                return False
            images += delivery.count
        if (engine := self.engines.lend_idle(first.model, images)) is None:
            return False
        try:
            batch = []
            for delivery in deliveries:
                delivery.taken = delivery.count
                batch.append(Slice(delivery, 0, delivery.count))
            run = self._run_model(batch, engine)
        finally:
            self.engines.take_back(first.model, engine)
            self.engines.permits.release()
        self._finish(batch, run, read_next)
        return True

    def _run_model(self, batch: list[Slice], engine: Engine | ModelError) -> "_Run":
        started_s, started_perf_s = self.clock.now_s(), time.perf_counter()
        live = [positions_alive(part, started_s * 1e3) for part in batch]
        images = _gather(batch, live)
        model_started_s, passed_ms = time.perf_counter(), self._passed_ms
        answers, faults = self._predict(engine, batch[0].delivery, live[0], images)
        model_ms = (time.perf_counter() - model_started_s) * 1e3 - (self._passed_ms - passed_ms)
        if self._passed_error is not None:
            raise self._passed_error
        if not batch[0].delivery.is_alone:
            self.engines.observe(batch[0].delivery.entry.model, len(images), model_ms)
        rule, labels = (0.0, ()) if isinstance(engine, ModelError) else (engine.rule, engine.spec.labels)
        return _Run(live, images, answers, faults, started_s, started_perf_s, model_ms, rule, labels)

    def _predict(
        self, engine: Engine | ModelError, first: Delivery, positions: Sequence[int], images: Images
    ) -> tuple[Answers, dict[int, str]]:
        """Return what `predict_isolating` returns. If the version did not load, all images fail with the reason.

        `first` is the batch's first delivery, and `positions` are the positions of its images. A suspect is the only
        delivery of its batch.
        """
        if first.lane == "bulk":
            with self.in_model:
                self._let_singles_pass(first.entry.model, engine)
        if isinstance(engine, ModelError):
            return no_answers(len(images)), dict.fromkeys(range(len(images)), str(engine))
        predict = partial(look_inside, engine, first) if first.entry.verbose else engine.predict
        if first.is_suspect:
            return self._predict_one_by_one(predict, first, positions, images)
        if first.lane == "bulk" and not first.entry.verbose:
            predict = partial(engine.predict, pause=partial(self._let_singles_pass, first.entry.model, engine))
        with self.in_model:
            return predict_isolating(predict, images)

    def _let_singles_pass(self, ref: str, engine: Engine | ModelError) -> None:
        """Run the singles that wait, before the runs of a job's batch.

        Their results are written before those of the job's batch. If they raise an error, it is raised after the job's
        batch has run, because the job's images are not to blame for it.
        """
        if self.backlog.has_singles and self._passed_error is None:
            singles_started_s = time.perf_counter()
            self.in_model.rest()  # their results may have to wait for Redis
            try:
                self._run_singles(ref, engine)
            except Exception as error:
                self._passed_error = error
            self._passed_ms += (time.perf_counter() - singles_started_s) * 1e3
        self.in_model.beat()

    def _run_singles(self, ref: str, engine: Engine | ModelError) -> None:
        with next_singles(self.backlog, self.engines, ref, engine) as handed_over:
            if handed_over is None:
                return
            batch, lent = handed_over
            run = self._run_model(batch, lent)
        self._finish(batch, run, read_nothing)

    def _predict_one_by_one(
        self, predict: Callable[[Images], Answers], suspect: Delivery, positions: Sequence[int], images: Images
    ) -> tuple[Answers, dict[int, str]]:
        """Tell Redis before each image which one runs, so that only that image is blamed if the worker dies."""
        answers = [no_answers(0)]
        faults: dict[int, str] = {}
        survived: int | None = None
        for row, position in enumerate(positions):
            self.suspects.mark(suspect, survived, position)
            with self.in_model:
                answer, fault = predict_isolating(predict, images[row : row + 1])
            answers.append(answer)
            if fault:
                faults[row] = fault[0]
            survived = position
        self.suspects.mark(suspect, survived, None)
        return join(answers), faults

    def _finish(self, batch: list[Slice], run: "_Run", read_next: ReadNext) -> None:
        predictions = _predictions_of(run.answers.probabilities)
        complete, parts = _scatter(batch, run, predictions)
        try:
            with self.in_redis:
                late = self.finisher.finish(complete, read_next)
        except ResponseError as error:
            logger.error("results cannot be written, and are computed again when their leases end: %s", error)
            late = 0
        if late:
            logger.warning("%d entries had been finished by another worker", late)
        self.finished(complete)
        # Not by Redis's clock: a new estimate of it may be earlier than the start.
        finished_s = run.started_s + time.perf_counter() - run.started_perf_s
        self.later(partial(self._report, batch, run, predictions, parts, finished_s))

    def _report(
        self, batch: list[Slice], run: "_Run", predictions: Predictions, parts: list[BatchPart], finished_s: float
    ) -> None:
        times = (run.started_s, finished_s, run.model_ms)
        self.report(report_of(batch, run.live, run.faults, *times, parts, run.started_perf_s, predictions, run.labels))
        images, answers = run.images, run.answers
        if run.faults:
            sound = np.ones(len(images), bool)
            sound[list(run.faults)] = False
            images, answers = images[sound], answers.rows(sound)
        if len(images):
            self.answered(batch[0].delivery.entry.model, images, answers)


def positions_alive(part: Slice, now_ms: float) -> Sequence[int]:
    """Return the positions in the entry that have no fault yet and whose deadline has not passed."""
    deadlines_ms, faults = part.delivery.entry.deadlines_ms, part.delivery.faults
    alive = range(part.start, part.stop)
    if not deadlines_ms and not faults:
        return alive
    return [
        position
        for position in alive
        if position not in faults and not (deadlines_ms and 0 < deadlines_ms[position] < now_ms)
    ]


def look_inside(engine: Engine, delivery: Delivery, images: Images) -> Answers:
    """Run a verbose entry and store its layers, or the reason why they failed. The answer does not depend on it."""
    if not len(images):
        return engine.predict(images)
    pixels, shape = images.tobytes(), delivery.entry.shape
    try:
        answers, outputs = engine.look_inside(images)
        delivery.layers = encode_layers(Layers(pixels, outputs, shape=shape))
    except Exception as error:
        logger.error("the layers of %s cannot be shown: %r", delivery.entry.model, error)
        delivery.layers = encode_layers(Layers(pixels, error=f"the layers cannot be shown: {error}", shape=shape))
        return engine.predict(images)
    return answers


def _gather(batch: list[Slice], live: list[Sequence[int]]) -> Images:
    """Return the images in `live`, in the version's shape. A single entry or slice that is whole is not copied."""
    parts = []
    for part, alive in zip(batch, live, strict=True):
        images = part.delivery.entry.images
        if len(alive) < len(images):
            images = images[part.start : part.stop] if len(alive) == part.count else images[alive]
        parts.append(images)
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _scatter(batch: list[Slice], run: _Run, predictions: Predictions) -> tuple[list[Delivery], list[BatchPart]]:
    """Write each answer to its delivery and position. Returns the deliveries that are complete now, and all parts."""
    complete, parts = [], []
    row = 0
    for part, alive in zip(batch, run.live, strict=True):
        delivery, rows = part.delivery, slice(row, row + len(alive))
        with delivery.answering:
            delivery.rule = run.rule
            _answer(part, alive, predictions[rows], run.answers if len(batch) == 1 else run.answers.rows(rows))
            for fault_row, reason in run.faults.items():
                if rows.start <= fault_row < rows.stop:
                    _fail(delivery, alive[fault_row - row], reason)
            queue_ms = max(0.0, run.started_s * 1e3 - delivery.entry.accepted_us / 1e3)
            _account(delivery, part.stop - part.start, queue_ms, run)
            if delivery.answered == delivery.count:
                complete.append(delivery)
        parts.append(BatchPart(delivery.lane, part.stop - part.start, queue_ms))
        row = rows.stop
    return complete, parts


def _predictions_of(probabilities: Probabilities) -> Predictions:
    """Return uint16[N] of float32[N,K]. K is 0 if no image has an answer."""
    if not probabilities.shape[1]:
        return np.full(len(probabilities), NO_PREDICTION, np.uint16)
    predictions: Predictions = probabilities.argmax(1).astype(np.uint16)
    return predictions


def _answer(part: Slice, alive: Sequence[int], predictions: Predictions, answers: Answers) -> None:
    """Write the answers of a slice. Images that are not in `alive` and have no fault have expired."""
    delivery = part.delivery
    if len(alive) == part.stop - part.start:
        delivery.answer(slice(part.start, part.stop), predictions, answers)
    else:
        delivery.answer(alive, predictions, answers)
        for position in set(range(part.start, part.stop)) - set(alive):
            delivery.faults.setdefault(position, ("expired", "its deadline passed in the queue"))


def _fail(delivery: Delivery, position: int, reason: str) -> None:
    if delivery.label_count:
        delivery.predictions[position] = NO_PREDICTION
    delivery.faults[position] = ("failed", reason)


def _account(delivery: Delivery, images: int, queue_ms: float, run: _Run) -> None:
    """Add a batch to its entry: an entry in several batches has the sum of their times, and the largest size."""
    if not delivery.answered:
        delivery.queue_ms = queue_ms
    delivery.model_ms += run.model_ms
    delivery.batch_images = max(delivery.batch_images, len(run.images))
    delivery.answered += images
