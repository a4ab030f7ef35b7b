"""The engines of this worker. Each loaded version has one engine for every batch that may run at the same time.

On a CPU, T engines of one thread each are faster than one engine of T threads, because no batch waits for its slowest
thread. On a GPU, two engines share one compiled model: while it computes a batch, the other gathers and sends the next.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from queue import Empty, SimpleQueue

from shared.config.settings import Settings, engine_threads
from shared.contract.heartbeat import VersionState
from shared.errors import ModelError
from shared.models.mirror import open_registry
from shared.models.registry import load_version
from worker.engine import Engine
from worker.engine.choose import choose_kind
from worker.engine.loaded import LoadedVersion, least_bytes, load_engines
from worker.engine.pace import FULL_SPEED, Pace

logger = logging.getLogger(__name__)

GPU_BATCHES = 2  # at a time: one computes, the other is gathered


class Permits:
    """A semaphore. `threading.Semaphore` takes as long as a small batch needs for its answers."""

    def __init__(self, permits: int) -> None:
        self._free: SimpleQueue[None] = SimpleQueue()
        for _ in range(permits):
            self._free.put(None)

    def acquire(self, *, blocking: bool = True) -> bool:
        """Take a permit. Returns False if none is free and `blocking` is not set."""
        try:
            self._free.get(blocking)
        except Empty:
            return False
        return True

    def release(self) -> None:
        self._free.put(None)

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


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
        self.at_a_time, self._threads_each = (threads, 1) if self.kind == "litert" else (GPU_BATCHES, threads)
        # On a CPU, other threads use the core while one writes results. A GPU would be idle in that time.
        self.threads = self.at_a_time if self.kind == "litert" else self.at_a_time + 1
        self._devices = self.at_a_time if self.kind == "litert" else 1
        self.permits = Permits(self.at_a_time)
        self.batches = 0  # number of batches that have run
        self._lock = threading.Lock()
        self._loaded: dict[str, LoadedVersion] = {}
        self._failed: dict[str, tuple[str, float]] = {}
        self._measured_bytes: dict[str, int] = {}  # by version, also for versions that were unloaded
        self._reserved: dict[str, int] = {}  # batches that hold each version, if any

    @property
    def loaded(self) -> Mapping[str, LoadedVersion]:
        """Return the loaded versions by `name@version`."""
        with self._lock:
            return dict(self._loaded)

    @property
    def failed(self) -> dict[str, str]:
        """Return the reason for each version whose last load failed."""
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
                images_per_s=round(self._devices * loaded.first.calibration.images_per_s),
                batch_ms={str(size): round(ms, 3) for size, ms in loaded.first.calibration.ms_of_size.items()},
                measured_as=loaded.like or ref,
                idle_s=round(now_s - loaded.used_s, 1),
                memory_bytes=loaded.memory_bytes,
            )
            for ref, loaded in self.loaded.items()
        }

    def least_recently_used(self) -> list[str]:
        """Return the loaded versions, sorted by the time of their last batch."""
        loaded = self.loaded
        return sorted(loaded, key=lambda ref: loaded[ref].used_s)

    def unused_for(self, idle_s: float) -> list[str]:
        """Return the loaded versions without a batch for `idle_s`."""
        now_s = self._clock_s()
        return [ref for ref, loaded in self.loaded.items() if now_s - loaded.used_s >= idle_s]

    def max_images(self, ref: str) -> int:
        """Return the batch size limit of a version: 0 until it is loaded, MAX_BATCH_IMAGES if it did not load."""
        with self._lock:
            return self._max_images(ref)

    def reserve(self, ref: str) -> int:
        """Return `max_images`. Unless it is 0, the version stays loaded until `engine` has been entered and left."""
        with self._lock:
            if images := self._max_images(ref):
                self._reserved[ref] = self._reserved.get(ref, 0) + 1
            if loaded := self._loaded.get(ref):
                loaded.used_s = self._clock_s()
            return images

    @contextlib.contextmanager
    def engine(self, ref: str) -> Iterator[Engine]:
        """Lend an engine to a thread with permit and reservation. Raises ModelError if the version did not load."""
        engine = self.lend(ref)
        try:
            if isinstance(engine, ModelError):
                raise engine
            yield engine
        finally:
            self.take_back(ref, engine)

    def lend(self, ref: str) -> Engine | ModelError:
        """Return an engine for a thread with permit and reservation, or the error of a version that did not load."""
        with self._lock:
            if loaded := self._loaded.get(ref):
                return loaded.idle.pop()
            return ModelError(self._failed.get(ref, (f"{ref} is not loaded", 0.0))[0])

    def lend_idle(self, ref: str, images: int) -> Engine | None:
        """Return an engine if one is free now and runs that many images in SHORT_MS. It comes with a permit.

        End the loan with `take_back`, and then release the permit.
        """
        if not self.permits.acquire(blocking=False):
            return None
        with self._lock:
            loaded = self._loaded.get(ref)
            if loaded is not None and images <= loaded.short_images and images <= loaded.limit.images:
                self._reserved[ref] = self._reserved.get(ref, 0) + 1
                loaded.used_s = self._clock_s()
                return loaded.idle.pop()
        self.permits.release()
        return None

    def take_back(self, ref: str, engine: Engine | ModelError | None) -> None:
        """End the loan and the reservation. Call it once with what `lend` has returned.

        It is None for a batch that has borrowed the engine of another one, which still needs it.
        """
        with self._lock:
            if engine is not None and not isinstance(engine, ModelError):
                self._loaded[ref].idle.append(engine)
            self._reserved[ref] -= 1
            if not self._reserved[ref]:
                del self._reserved[ref]
            self.batches += 1

    def observe(self, ref: str, images: int, model_ms: float) -> None:
        """Record the time of a batch, so that the version's next batches stay within MAX_BATCH_MS."""
        with self._lock:
            if loaded := self._loaded.get(ref):
                loaded.limit.observe(images, model_ms)

    def memory_bytes(self) -> int:
        """Return the memory of all loaded versions."""
        return sum(loaded.memory_bytes for loaded in self.loaded.values())

    def needed_bytes(self, ref: str) -> int:
        """Return the memory of a version: as measured before, or otherwise the minimum. Raises ModelError."""
        return self._measured_bytes.get(ref) or least_bytes(load_version(self.registry, ref), self.at_a_time)

    def load(self, ref: str, pace: Pace = FULL_SPEED) -> None:
        """Load and warm a version for seconds. Raises ModelError if the registry lacks it or it does not load."""
        version = load_version(self.registry, ref)
        loaded = load_engines(version, self.kind, self.at_a_time, self._threads_each, self._settings, pace, self.loaded)
        loaded.used_s = self._clock_s()
        with self._lock:
            self._failed.pop(ref, None)
            self._loaded[ref] = loaded
            self._measured_bytes[ref] = loaded.memory_bytes

    def fail(self, ref: str, reason: str) -> None:
        """Record that a version did not load, so that entries that wait for it fail."""
        with self._lock:
            self._failed[ref] = (reason, self._clock_s())

    def unload(self, ref: str) -> bool:
        """Free a version. Returns False if it is not loaded, or reserved for a batch."""
        with self._lock:
            if ref in self._reserved or ref not in self._loaded:
                return False
            del self._loaded[ref]
        logger.info("%s: unloaded", ref)
        return True

    def forget_failures(self, older_than_s: float) -> None:
        """Forget failures older than this, so that the versions are tried again when they are requested."""
        now_s = self._clock_s()
        with self._lock:
            for ref, (_, failed_s) in list(self._failed.items()):
                if now_s - failed_s >= older_than_s and ref not in self._reserved:
                    del self._failed[ref]

    def forget_failure(self, ref: str) -> None:
        """Forget the failure of a version, so that it is tried again when it is requested."""
        with self._lock:
            if ref not in self._reserved:
                self._failed.pop(ref, None)

    def _max_images(self, ref: str) -> int:
        if loaded := self._loaded.get(ref):
            return loaded.limit.images
        return self._settings.max_batch_images if ref in self._failed else 0
