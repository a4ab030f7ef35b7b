"""Running the model: a batch out of the backlog, one pass, the answers back to where they came from."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from shared.block import NO_PREDICTION
from shared.errors import ModelError
from shared.images import CLASSES, Images, Probabilities
from worker.backlog import Backlog, Delivery, Slice
from worker.engines import Engines
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


@dataclass(frozen=True, slots=True)
class _Run:
    """What came of a batch: `probabilities` has a row for each position in `live`, slice by slice."""

    live: list[list[int]]
    probabilities: Probabilities
    faults: dict[int, str]
    started_s: float
    model_ms: float


class Runner:
    """`run` in one thread more than there are engines, until the backlog is closed and empty: while one of them writes
    results, every engine runs. Nothing that a batch does ends it, short of the process.
    """

    def __init__(
        self,
        backlog: Backlog,
        engines: Engines,
        finisher: Finisher,
        report: Callable[[BatchReport], None],
        finished: Callable[[list[Delivery]], None],
        max_batch_images: int,
    ) -> None:
        self._backlog = backlog
        self._engines = engines
        self._finisher = finisher
        self._report = report
        self._finished = finished
        self._max_batch_images = max_batch_images
        self._answering = threading.Lock()

    def run(self) -> None:
        while True:
            # Taken only once an engine is free: whatever arrives until then is part of the batch.
            with self._engines.turn():
                batch = self._backlog.take(self._max_batch_images)
                if not batch:
                    return
                run = self._run_model(batch)
            self._finish(batch, run)

    def _run_model(self, batch: list[Slice]) -> "_Run":
        started_s = time.time()
        live = [positions_alive(part, started_s * 1e3) for part in batch]
        images = _gather(batch, live)
        start_s = time.perf_counter()
        probabilities, faults = self._predict(batch[0].delivery.entry.model, images)
        return _Run(live, probabilities, faults, started_s, (time.perf_counter() - start_s) * 1e3)

    def _predict(self, model: str, images: Images) -> tuple[Probabilities, dict[int, str]]:
        """As `predict_isolating`; images of a model that this worker cannot load all fail with the reason."""
        try:
            with self._engines.engine(model) as engine:
                return predict_isolating(engine.predict, images)
        except ModelError as error:
            logger.error("%d images fail: %s", len(images), error)
            return np.zeros((len(images), CLASSES), np.float32), dict.fromkeys(range(len(images)), str(error))

    def _finish(self, batch: list[Slice], run: "_Run") -> None:
        with self._answering:  # slices of one entry may have been in batches of both threads
            _scatter(batch, run)
            complete = [part.delivery for part in batch if part.delivery.complete]
        late = self._finisher.finish(complete)
        if late:
            logger.warning("%d entries had been finished by another worker", late)
        self._finished(complete)
        self._report(
            BatchReport(
                model=batch[0].delivery.entry.model,
                images=len(run.probabilities),
                failed=len(run.faults),
                started_s=run.started_s,
                finished_s=time.time(),
                reason=next(iter(run.faults.values()), ""),
            )
        )


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


def _scatter(batch: list[Slice], run: _Run) -> None:
    """Write each answer to its own delivery and position; who was not alive expired."""
    predictions = run.probabilities.argmax(axis=1).astype(np.uint8)
    row = 0
    for part, alive in zip(batch, run.live, strict=True):
        delivery = part.delivery
        rows = slice(row, row + len(alive))
        if len(alive) == part.count:
            delivery.predictions[part.start : part.stop] = predictions[rows]
            delivery.probabilities[part.start : part.stop] = run.probabilities[rows]
        else:
            delivery.predictions[alive] = predictions[rows]
            delivery.probabilities[alive] = run.probabilities[rows]
            for position in set(range(part.start, part.stop)) - set(alive):
                delivery.faults[position] = ("expired", "its deadline passed in the queue")
        for fault_row in (faulty for faulty in run.faults if rows.start <= faulty < rows.stop):
            position = alive[fault_row - row]
            delivery.predictions[position] = NO_PREDICTION
            delivery.faults[position] = ("failed", run.faults[fault_row])
        if not delivery.answered:
            delivery.queue_ms = max(0.0, run.started_s * 1e3 - delivery.entry.accepted_us / 1e3)
        # An entry cut over several batches tells the model's time for all of them, and the size of the largest.
        delivery.model_ms += run.model_ms
        delivery.batch_images = max(delivery.batch_images, len(run.probabilities))
        delivery.answered += part.count
        row += len(alive)
