"""The thread that runs the model: a batch out of the backlog, one pass, the answers back to where they came from."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from shared.block import NO_PREDICTION
from shared.errors import ModelError
from shared.images import Images, Probabilities
from worker.backlog import Backlog, Delivery, Slice
from worker.engine import Engine
from worker.finish import Finisher
from worker.isolate import predict_isolating

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BatchReport:
    """What one batch was, for Flower and the heartbeat. Times are unix seconds."""

    model: str
    images: int
    failed: int
    started_s: float
    finished_s: float
    reason: str = ""


class Runner:
    """`run` until the backlog is closed and empty. Nothing that a batch does ends it, short of the process."""

    def __init__(
        self,
        backlog: Backlog,
        engine_for: Callable[[str], Engine],
        finisher: Finisher,
        report: Callable[[BatchReport], None],
        finished: Callable[[list[Delivery]], None],
        max_batch_images: int,
    ) -> None:
        self._backlog = backlog
        self._engine_for = engine_for
        self._finisher = finisher
        self._report = report
        self._finished = finished
        self._max_batch_images = max_batch_images

    def run(self) -> None:
        while batch := self._backlog.take(self._max_batch_images):
            self._report(self._run_batch(batch))

    def _run_batch(self, batch: list[Slice]) -> BatchReport:
        model = batch[0].delivery.entry.model
        started_s = time.time()
        live = [positions_alive(part, started_s * 1e3) for part in batch]
        images = _gather(batch, live)
        start_s = time.perf_counter()
        probabilities, faults = predict_isolating(self._predict(model), images)
        model_ms = (time.perf_counter() - start_s) * 1e3
        _scatter(batch, live, probabilities, faults)
        for part in batch:
            _time(part.delivery, started_s, model_ms, len(images))
        complete = [part.delivery for part in batch if part.delivery.complete]
        late = self._finisher.finish(complete)
        if late:
            logger.warning("%d entries had been finished by another worker", late)
        self._finished(complete)
        reason = next(iter(faults.values()), "")
        return BatchReport(model, len(images), len(faults), started_s, time.time(), reason)

    def _predict(self, model: str) -> Callable[[Images], Probabilities]:
        """The engine's predict; for a model that this worker cannot load, one that fails each image with the reason."""
        try:
            return self._engine_for(model).predict
        except ModelError as error:
            reason = error

        def refuse(images: Images) -> Probabilities:
            raise reason

        return refuse


def positions_alive(part: Slice, now_ms: float) -> list[int]:
    """Positions in the entry whose deadline has not passed."""
    deadlines_ms = part.delivery.entry.deadlines_ms
    if not deadlines_ms:
        return list(range(part.start, part.stop))
    return [position for position in range(part.start, part.stop) if not 0 < deadlines_ms[position] < now_ms]


def _gather(batch: list[Slice], live: list[list[int]]) -> Images:
    """uint8[N,28,28] of all images still alive; a lone whole slice is not copied."""
    parts = [
        part.images if len(alive) == part.count else part.delivery.entry.images[alive]
        for part, alive in zip(batch, live, strict=True)
    ]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _scatter(batch: list[Slice], live: list[list[int]], probabilities: Probabilities, faults: dict[int, str]) -> None:
    """Write each answer to its own delivery and position; who was not alive expired."""
    predictions = probabilities.argmax(axis=1).astype(np.uint8)
    row = 0
    for part, alive in zip(batch, live, strict=True):
        delivery = part.delivery
        if len(alive) == part.count:
            delivery.predictions[part.start : part.stop] = predictions[row : row + part.count]
            delivery.probabilities[part.start : part.stop] = probabilities[row : row + part.count]
        else:
            delivery.predictions[alive] = predictions[row : row + len(alive)]
            delivery.probabilities[alive] = probabilities[row : row + len(alive)]
            for position in set(range(part.start, part.stop)) - set(alive):
                delivery.faults[position] = ("expired", "its deadline passed in the queue")
        for fault_row in (faulty for faulty in faults if row <= faulty < row + len(alive)):
            _fail(delivery, alive[fault_row - row], faults[fault_row])
        delivery.answered += part.count
        row += len(alive)


def _fail(delivery: Delivery, position: int, reason: str) -> None:
    delivery.predictions[position] = NO_PREDICTION
    delivery.faults[position] = ("failed", reason)


def _time(delivery: Delivery, started_s: float, model_ms: float, batch_images: int) -> None:
    """An entry cut over several batches waited until the first; its model time is that of all of them."""
    if not delivery.batch_images:
        delivery.queue_ms = max(0.0, started_s * 1e3 - delivery.entry.accepted_ms)
    delivery.model_ms += model_ms
    delivery.batch_images = max(delivery.batch_images, batch_images)
