"""The engines of this worker: for each model version as many as may run at a time, loaded once.

On a CPU, T engines of one thread each do more than one engine of T threads: no batch waits for its slowest thread. On a
GPU there is one.
"""

import contextlib
import logging
import threading
from collections.abc import Iterator, Mapping

from shared.errors import ModelError
from shared.mirror import open_registry
from shared.registry import load_version
from shared.settings import Settings, engine_threads
from worker.engine import Engine, choose_kind, load_engine, replicate

logger = logging.getLogger(__name__)


class Engines:
    """A thread that runs models takes one of `turns`, then an engine for as long as its batch needs it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._registry = open_registry(settings.models_dir, settings.models_cache_dir)
        self._kind = choose_kind(settings.engine)
        threads = engine_threads(settings)
        self.at_a_time, self._threads_each = (threads, 1) if self._kind == "litert" else (1, threads)
        # Other threads find work for the core of one that writes results; a GPU would stand idle meanwhile.
        self.threads = self.at_a_time if self._kind == "litert" else 2
        self.turns = threading.Semaphore(self.at_a_time)
        self._loading = threading.Lock()
        self._idle: dict[str, list[Engine]] = {}  # the one used last is taken first: its memory is in the cache
        self._first: dict[str, Engine] = {}

    @property
    def loaded(self) -> Mapping[str, Engine]:
        """One engine of each version."""
        return dict(self._first)

    @contextlib.contextmanager
    def engine(self, ref: str) -> Iterator[Engine]:
        """An engine of `name@version`, for a thread that has its turn.

        A version seen for the first time is loaded and warmed (blocks for seconds).
        Raises ModelError for one that is not in the registry or will not load.
        """
        with self._loading:
            if ref not in self._idle:
                self._idle[ref] = self._load(ref)
        engine = self._idle[ref].pop()
        try:
            yield engine
        finally:
            self._idle[ref].append(engine)

    def _load(self, ref: str) -> list[Engine]:
        settings = self._settings
        version = load_version(self._registry, ref)
        try:
            first = load_engine(
                self._kind, version.directory, self._threads_each, settings.max_batch_images, settings.max_batch_ms
            )
            engines = [first, *replicate(first, version.directory, self.at_a_time - 1)]
        except Exception as error:
            raise ModelError(f"{version.ref} will not load from {version.directory}: {error!r}") from error
        batch_images, images_per_s = first.best_batch_images, first.calibration.images_per_s
        logger.info(
            "%s: %d %s engines, batches of %d, %d images/s each",
            ref,
            len(engines),
            first.kind,
            batch_images,
            images_per_s,
        )
        self._first[ref] = first
        return engines
