"""Shadows: versions that get copies of the images that another version has answered.

Their answers are compared and counted, but never returned. They run only while no batch waits.
"""

import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from shared.answers import Answers
from shared.contract.model_ref import ModelRef
from shared.contract.model_spec import MAX_DENSE_LABELS
from shared.errors import ModelError
from shared.images import Images
from shared.redis import keys
from worker.batching.backlog import Backlog
from worker.batching.isolate import predict_isolating
from worker.engine import Engine
from worker.engine.pool import EnginePool
from worker.reporting.tallies import Tallies
from worker.watchdog import Pulse

MAX_COPIED_IMAGES = 4096  # limit of waiting images; images beyond it are skipped
MAX_COPIED_BYTES = 8 << 20  # limit of their pixels
LONGEST_RUN_MS = 10.0  # limit of a run of a shadow: images that arrive during the run wait for it
TICK_S = 1.0
BUSY_PAUSE_S = 0.01  # between two checks for idle engines

Predictions = npt.NDArray[np.intp]  # int[N]


@dataclass(frozen=True, slots=True)
class _Copy:
    """Images that `version` has answered, and its answers, for `shadow`."""

    version: str
    shadow: str
    images: Images
    predictions: Predictions


@dataclass(eq=False)
class Shadows:
    """Runs shadows in its own thread (`run`). `shadows` has those of each version, all as `name@version`."""

    engines: EnginePool
    backlog: Backlog
    shadows: Callable[[], Mapping[str, Sequence[str]]]
    tallies: Tallies
    ended: threading.Event
    pulse: Pulse
    _copies: deque[_Copy] = field(init=False, default_factory=deque)
    _copied_images: int = field(init=False, default=0)
    _copied_bytes: int = field(init=False, default=0)
    _arrived: threading.Condition = field(init=False, default_factory=threading.Condition)

    def offer(self, ref: str, images: Images, answers: Answers) -> None:
        """Offer the images of a finished batch, uint8[N,28,28], with their answers."""
        for shadow in self.shadows().get(ref, ()):
            with self._arrived:
                fits = self._copied_images + len(images) <= MAX_COPIED_IMAGES
                fits = fits and self._copied_bytes + images.nbytes <= MAX_COPIED_BYTES
                if fits:
                    self._copied_images += len(images)
                    self._copied_bytes += images.nbytes
                    self._copies.append(_Copy(ref, shadow, images.copy(), answers.probabilities.argmax(axis=1)))
                    self._arrived.notify()
            if not fits:
                self._skip(ref, shadow, len(images))

    def run(self) -> None:
        while not self.ended.is_set():
            with self._arrived:
                self._arrived.wait_for(lambda: bool(self._copies), TICK_S)
                copy = self._copies.popleft() if self._copies else None
            if copy is not None:
                self._run(copy)
                with self._arrived:
                    self._copied_images -= len(copy.images)
                    self._copied_bytes -= copy.images.nbytes

    def _run(self, copy: _Copy) -> None:
        start = 0
        while start < len(copy.images):
            if not self._take_idle_permit():
                return
            try:
                if not self.engines.reserve(copy.shadow):
                    self._skip(copy.version, copy.shadow, len(copy.images) - start)
                    return
                start += self._run_some(copy, start)
            finally:
                self.engines.permits.release()

    def _take_idle_permit(self) -> bool:
        """Block until an engine is free and no batch waits for it. Returns False once the worker has ended."""
        while not self.ended.is_set():
            if self.backlog.idle and self.engines.permits.acquire(blocking=False):
                return True
            self.ended.wait(BUSY_PAUSE_S)
        return False

    def _run_some(self, copy: _Copy, start: int) -> int:
        """Run and count images from `start`, for at most LONGEST_RUN_MS. Returns how many."""
        try:
            with self.engines.engine(copy.shadow) as engine, self.pulse:
                stop = min(start + _max_images(engine), len(copy.images))
                answers, faults = predict_isolating(engine.predict, copy.images[start:stop])
        except ModelError:
            self._skip(copy.version, copy.shadow, len(copy.images) - start)
            return len(copy.images) - start
        sound = np.ones(stop - start, bool)
        sound[list(faults)] = False
        counts = {"failed": len(faults)}
        if sound.any():  # otherwise there are no probabilities
            predictions = answers.probabilities[sound].argmax(axis=1)
            compared = compare(copy.predictions[start:stop][sound], predictions)
            if answers.probabilities.shape[1] > MAX_DENSE_LABELS:  # there could be too many pairs
                compared = {name: count for name, count in compared.items() if ">" not in name}
            counts |= compared
        self._count(copy, counts)
        return stop - start

    def _skip(self, version: str, shadow: str, images: int) -> None:
        self.tallies.add(_key(version, shadow), {"skipped": images})

    def _count(self, copy: _Copy, counts: Mapping[str, int]) -> None:
        self.tallies.add(_key(copy.version, copy.shadow), counts)


def compare(answered: Predictions, shadowed: Predictions) -> dict[str, int]:
    """Return the fields of `keys.shadow` for the predictions of a version and of its shadow."""
    differ = answered != shadowed
    pairs = zip(answered[differ].tolist(), shadowed[differ].tolist(), strict=True)
    counts = Counter(f"{one}>{other}" for one, other in pairs)
    return {"images": len(answered), "agree": int(len(answered) - differ.sum()), **counts}


def _max_images(engine: Engine) -> int:
    sizes = engine.calibration.ms_of_size
    return max((size for size in sizes if engine.worst_ms(size) <= LONGEST_RUN_MS), default=min(sizes))


def _key(version: str, shadow: str) -> str:
    answered = ModelRef.parse(version)
    return keys.shadow(answered.name, answered.version, ModelRef.parse(shadow).version)
