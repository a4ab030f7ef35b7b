"""Loading and unloading versions while the others serve."""

import contextlib
import gc
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from shared.config.settings import Settings
from shared.contract.heartbeat import LoaderState
from shared.errors import ModelError
from shared.models.registry import list_again, list_models
from worker.batching.backlog import Backlog
from worker.engine.pace import Pace
from worker.engine.pool import EnginePool
from worker.versions.desired import DesiredVersions
from worker.versions.residency import Models, Residency, default_version, find_version, latest_versions
from worker.watchdog import Pulse

logger = logging.getLogger(__name__)

TICK_S = 1.0
ALL_IN_USE_S = 0.01  # between two searches for a version to unload, while all of them run batches
FAILED_S = 10.0  # before a version that failed to load is tried again
PAUSE_STEPS = 3  # a step of a load is followed by a pause that is this many times as long, while batches run
LONGEST_BESIDE_MS = 10.0  # limit of a measured run next to engines that serve: its set-up holds the GIL


@dataclass(eq=False)
class Loader:
    """Loads and unloads versions in its own thread (`run`). Any thread may call the other methods.

    `changed` is called after each load, also after a failed one, and when the registry has a new name. `models` are the
    versions of all names.
    """

    settings: Settings
    engines: EnginePool
    backlog: Backlog
    desired: Callable[[], DesiredVersions]
    changed: Callable[[], None]
    ended: threading.Event
    pulse: Pulse
    _asked: dict[str, None] = field(init=False, default_factory=dict)
    _wake: threading.Event = field(init=False, default_factory=threading.Event)
    _loading: str | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        registry = self.engines.registry
        self.models: Models = list_models(registry)
        self._pace = beside(self.engines, self.pulse)
        self._default = default_version(self.settings.default_model, self.models, registry, self.desired())

    def wake(self) -> None:
        """Check for work now, because entries wait for a version."""
        self._wake.set()

    def desired_changed(self) -> None:
        """Check for work now, and try the requested versions again that failed to load before."""
        for ref in self.desired().requested:
            self.engines.forget_failure(ref)
        self.wake()

    def ask(self, ref: str) -> str:
        """Load a version soon, and keep it while it is used. Returns its `name@version`. Raises ModelError."""
        registry = self.engines.registry
        ref = find_version(ref, list_models(registry), registry)  # `models` may lack a version that was just published
        self.engines.forget_failure(ref)
        if ref not in self.engines.loaded:
            self._asked[ref] = None
            self.wake()
        return ref

    def unload(self, ref: str) -> str:
        """Unload a version now. Returns the reason if that is not possible, else an empty text."""
        if ref not in self.engines.loaded:
            return f"{ref} is not loaded"
        if reason := self._residency().why_kept(ref):
            return f"{ref} {reason}"
        return "" if self._unload(ref) else f"{ref} runs a batch"

    def run(self) -> None:
        while not self.ended.is_set():
            self._wake.wait(TICK_S)
            self._wake.clear()
            self.engines.forget_failures(FAILED_S)
            self._read_registry()
            self._unload_idle()
            while (ref := self._next()) is not None and not self.ended.is_set():
                self._load(ref)

    def state(self) -> LoaderState:
        """Describe the versions that are loaded or should be, for the heartbeat and for `inspect models`."""
        crowded_out = self._residency().crowded_out(self.engines.least_recently_used(), self._most())
        return LoaderState(
            engines=self.engines.at_a_time,
            models=self.engines.state(),
            loading_model=self._loading,
            failed_models=dict.fromkeys(crowded_out, self._no_room(self.engines.memory_bytes())) | self.engines.failed,
            wanted_models=sorted(self.desired().requested),
        )

    def _read_registry(self) -> None:
        names = set(self.models)
        try:
            registry = self.engines.registry
            self.models = list_again(registry, self.models)
            self._default = default_version(self.settings.default_model, self.models, registry, self.desired())
        except (ModelError, OSError) as error:
            logger.warning("the default stays %s: %s", self._default, error)
        if set(self.models) - names:
            self.changed()

    def _residency(self) -> Residency:
        return Residency(
            default=self._default,
            desired=self.desired(),
            latest=latest_versions(self.models),
            waiting=self.backlog.waiting(),
            asked=list(self._asked),
        )

    def _next(self) -> str | None:
        there = self.engines.loaded.keys() | self.engines.failed.keys()
        used = self.engines.least_recently_used()
        return self._residency().next_to_load(there, used, self._most())

    def _most(self) -> int:
        """Return how many versions may be loaded: as many as there are if they take MAX_LOADED_BYTES."""
        most = self.settings.max_loaded_models
        is_full = self.engines.memory_bytes() >= self.settings.max_loaded_bytes
        return min(most, len(self.engines.loaded)) if is_full else most

    def _no_room(self, total_bytes: int) -> str:
        settings = self.settings
        if total_bytes > settings.max_loaded_bytes:
            return (
                f"it and the versions that stay take {total_bytes} bytes, MAX_LOADED_BYTES={settings.max_loaded_bytes}"
            )
        return f"MAX_LOADED_MODELS={settings.max_loaded_models} others are loaded and needed"

    def _load(self, ref: str) -> None:
        self._loading = ref
        try:
            self._make_room(ref, self.engines.needed_bytes(ref))
            self.engines.load(ref, self._pace)
            self._make_room(ref, 0)  # it may have taken more than was expected
        except (ModelError, OSError) as error:
            logger.error("%s", error)
            self.engines.unload(ref)
            self.engines.fail(ref, str(error))
        self._loading = None
        self._asked.pop(ref, None)
        self.backlog.loaded()
        self.changed()

    def _make_room(self, ref: str, needed_bytes: int) -> None:
        """Block until MAX_LOADED_MODELS and MAX_LOADED_BYTES leave room for a version, if it is loaded or not.

        Raises ModelError if the version does not fit next to those that are kept.
        """
        settings = self.settings
        while not self.ended.is_set():
            used = self.engines.least_recently_used()
            total_bytes = self.engines.memory_bytes() + needed_bytes
            if len({*used, ref}) <= settings.max_loaded_models and total_bytes <= settings.max_loaded_bytes:
                return
            going = self._residency().may_go_for(ref, used)
            if not going and ref == self._default:
                return
            if not going:
                raise ModelError(f"no room for {ref}: {self._no_room(total_bytes)}")
            if not any(self._unload(other) for other in going):
                self.ended.wait(ALL_IN_USE_S)

    def _unload_idle(self) -> None:
        residency = self._residency()
        for ref in self.engines.unused_for(self.settings.model_idle_s):
            if residency.may_idle_out(ref):
                self._unload(ref)

    def _unload(self, ref: str) -> bool:
        gone = self.engines.unload(ref)
        if gone and self.engines.kind != "litert":
            gc.collect()  # its compiled functions reference themselves
        return gone


def beside(engines: EnginePool, pulse: Pulse) -> Pace:
    """Return the pace of a load while other versions serve.

    On a CPU, only the time of the loading thread counts, so that a busy machine makes no engine look slow, and no batch
    has to wait for a measurement. On a GPU, a run is timed while it holds a permit.
    """

    @contextlib.contextmanager
    def step() -> Iterator[None]:
        batches, start_s = engines.batches, time.perf_counter()
        with pulse:
            yield
        if engines.batches != batches:
            time.sleep(PAUSE_STEPS * (time.perf_counter() - start_s))

    @contextlib.contextmanager
    def timed() -> Iterator[None]:
        with engines.permits, pulse:
            yield

    if engines.kind == "litert":
        return Pace(step, step, time.thread_time, LONGEST_BESIDE_MS)
    return Pace(step, timed, time.perf_counter)
