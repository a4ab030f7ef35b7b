"""The engines of this worker: for each version that is loaded as many as may run at a time.

On a CPU, T engines of one thread each do more than one engine of T threads: no batch waits for its slowest thread. On a
GPU there is one.
"""

import contextlib
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from shared.config.settings import Settings, engine_threads
from shared.contract.heartbeat import VersionState
from shared.errors import ModelError
from shared.models.mirror import open_registry
from shared.models.registry import ModelVersion, load_version
from worker.engine import Engine, choose_kind, load_engine, replicate
from worker.engine.batch_limit import BatchLimit
from worker.engine.calibrate import Calibration
from worker.engine.memory import rss_bytes
from worker.engine.pace import FULL_SPEED, Pace

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class LoadedVersion:
    """`idle` are the engines that no batch uses; `memory_bytes` is what the process grew by, near enough.

    `like` is the version whose calibration was taken over, empty where this one was measured.
    """

    version: ModelVersion
    first: Engine
    idle: list[Engine]  # the one used last is taken first: its memory is in the cache
    limit: BatchLimit
    memory_bytes: int | None
    like: str
    used_s: float  # of the clock of EnginePool


class EnginePool:
    """The engines of every loaded version.

    A thread that runs a batch holds a permit, reserves a version, and uses one of its engines: see
    `worker/batching/hand_over.py`. Any thread may load and unload; only batches of that version wait for it.
    """

    def __init__(self, settings: Settings, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self.registry = open_registry(settings.models_dir, settings.models_cache_dir)
        self._clock_s = clock_s
        self.kind = choose_kind(settings.engine)
        threads = engine_threads(settings)
        self.at_a_time, self._threads_each = (threads, 1) if self.kind == "litert" else (1, threads)
        # Other threads find work for the core of one that writes results; a GPU would stand idle meanwhile.
        self.threads = self.at_a_time if self.kind == "litert" else 2
        self.permits = threading.Semaphore(self.at_a_time)
        self.batches = 0  # that were run until now
        self._lock = threading.Lock()
        self._loaded: dict[str, LoadedVersion] = {}
        self._failed: dict[str, tuple[str, float]] = {}
        self._reserved: Counter[str] = Counter()

    @property
    def loaded(self) -> Mapping[str, LoadedVersion]:
        """By `name@version`."""
        with self._lock:
            return dict(self._loaded)

    @property
    def failed(self) -> dict[str, str]:
        """Why versions would not load, the last time that it was tried."""
        with self._lock:
            return {ref: reason for ref, (reason, _) in self._failed.items()}

    def state(self) -> dict[str, VersionState]:
        """Describe each loaded version."""
        now_s = self._clock_s()
        return {
            ref: VersionState(
                engine=loaded.first.kind,
                batch_images=loaded.first.best_batch_images,
                batch_limit_images=loaded.limit.images,
                images_per_s=round(self.at_a_time * loaded.first.calibration.images_per_s),
                batch_ms={str(size): round(ms, 3) for size, ms in loaded.first.calibration.ms_of_size.items()},
                measured_as=loaded.like or ref,
                idle_s=round(now_s - loaded.used_s, 1),
                memory_bytes=loaded.memory_bytes,
            )
            for ref, loaded in self.loaded.items()
        }

    def least_recently_used(self) -> list[str]:
        """The loaded versions, by when the last batch of each was formed."""
        loaded = self.loaded
        return sorted(loaded, key=lambda ref: loaded[ref].used_s)

    def unused_for(self, idle_s: float) -> list[str]:
        """The loaded versions that no batch was formed of for so long."""
        now_s = self._clock_s()
        return [ref for ref, loaded in self.loaded.items() if now_s - loaded.used_s >= idle_s]

    def max_images(self, ref: str) -> int:
        """Of one batch of that version now; 0 while it is not loaded. What will not load has answers too: faults."""
        with self._lock:
            return self._max_images(ref)

    def reserve(self, ref: str) -> int:
        """As `max_images`; unless that is 0, the version stays loaded until `engine` has been entered and left."""
        with self._lock:
            if images := self._max_images(ref):
                self._reserved[ref] += 1
            if loaded := self._loaded.get(ref):
                loaded.used_s = self._clock_s()
            return images

    @contextlib.contextmanager
    def engine(self, ref: str) -> Iterator[Engine]:
        """An engine of a version that this thread has reserved, and whose permit it holds.

        Raises ModelError, with the reason, for one that would not load.
        """
        try:
            with self._lock:
                loaded = self._loaded.get(ref)
                if loaded is None:
                    raise ModelError(self._failed.get(ref, (f"{ref} is not loaded", 0.0))[0])
                engine = loaded.idle.pop()
            try:
                yield engine
            finally:
                with self._lock:
                    loaded.idle.append(engine)
        finally:
            with self._lock:
                self._reserved -= Counter((ref,))  # which keeps no zeros
                self.batches += 1

    def observe(self, ref: str, images: int, model_ms: float) -> None:
        """Tell how long a batch took, so that the version's next ones stay within MAX_BATCH_MS."""
        with self._lock:
            if loaded := self._loaded.get(ref):
                loaded.limit.observe(images, model_ms)

    def load(self, ref: str, pace: Pace = FULL_SPEED) -> None:
        """Load and warm a version. Blocks for seconds.

        Raises ModelError for one that is not in the registry or will not load.
        """
        loaded = self._load(load_version(self.registry, ref), pace)
        with self._lock:
            self._failed.pop(ref, None)
            self._loaded[ref] = loaded

    def fail(self, ref: str, reason: str) -> None:
        """What waits for a version need not wait: it would not load."""
        with self._lock:
            self._failed[ref] = (reason, self._clock_s())

    def unload(self, ref: str) -> bool:
        """Free a version; False where it is not loaded, or reserved for a batch."""
        with self._lock:
            if self._reserved[ref] or ref not in self._loaded:
                return False
            del self._loaded[ref], self._reserved[ref]
        logger.info("%s: unloaded", ref)
        return True

    def forget_failures(self, older_than_s: float) -> None:
        """Versions that would not load so long ago are tried again when they are asked for."""
        now_s = self._clock_s()
        with self._lock:
            for ref, (_, failed_s) in list(self._failed.items()):
                if now_s - failed_s >= older_than_s and not self._reserved[ref]:
                    del self._failed[ref]

    def forget_failure(self, ref: str) -> None:
        """It is tried again when it is asked for."""
        with self._lock:
            if not self._reserved[ref]:
                self._failed.pop(ref, None)

    def _max_images(self, ref: str) -> int:
        if loaded := self._loaded.get(ref):
            return loaded.limit.images
        return self._settings.max_batch_images if ref in self._failed else 0

    def _load(self, version: ModelVersion, pace: Pace) -> LoadedVersion:
        settings = self._settings
        before_bytes = rss_bytes()
        try:
            like, known = self._known(version)
            first = load_engine(
                self.kind,
                version.directory,
                self._threads_each,
                settings.max_batch_images,
                settings.max_batch_ms,
                pace,
                known,
            )
            engines = [first, *replicate(first, version.directory, self.at_a_time - 1, pace)]
        except Exception as error:
            raise ModelError(f"{version.ref} will not load from {version.directory}: {error!r}") from error
        calibration = first.calibration
        logger.info(
            "%s: %d %s engines, batches of %d, %d images/s each",
            version.ref,
            len(engines),
            first.kind,
            calibration.best_size,
            calibration.images_per_s,
        )
        after_bytes = rss_bytes()
        return LoadedVersion(
            version=version,
            first=first,
            idle=engines,
            limit=BatchLimit(calibration.best_size, settings.max_batch_ms),
            memory_bytes=None if before_bytes is None or after_bytes is None else max(0, after_bytes - before_bytes),
            like=like if calibration is known else "",
            used_s=self._clock_s(),
        )

    def _known(self, version: ModelVersion) -> tuple[str, Calibration | None]:
        """The calibration of a loaded version of the same architecture, and which that is."""
        for ref, loaded in self.loaded.items():
            if _architecture(loaded.version) == _architecture(version) != []:
                return ref, loaded.first.calibration
        return "", None


def _architecture(version: ModelVersion) -> list[tuple[object, ...]]:
    """Class, shape and parameters of each layer, as the card has them."""
    layers = version.card.get("layers") or []
    return [(layer.get("class"), layer.get("output_shape"), layer.get("parameters")) for layer in layers]
