"""Real engines are loaded and unloaded while others serve: only entries of that version wait."""

import itertools
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.config.settings import Settings
from shared.errors import ModelError
from tests.worker.support.deliveries_of import delivery, images
from tests.worker.support.registry_of import PUBLISHED, publish, publish_broken
from worker.batching.backlog import Backlog
from worker.engine import load_engine
from worker.engine import loaded as loading
from worker.engine.pool import EnginePool
from worker.versions.desired import DesiredVersions
from worker.versions.loader import Loader
from worker.watchdog import Watchdog

LONG_S = 30


@dataclass
class Worker:
    """The part of a worker that loads, with `cnn@1` as its default; `now_s` is the engines' clock."""

    settings: Settings
    now_s: float = 0.0
    desired: DesiredVersions = field(default_factory=DesiredVersions)
    ended: threading.Event = field(default_factory=threading.Event)
    changes: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def __post_init__(self) -> None:
        self.engines = EnginePool(self.settings, lambda: self.now_s)
        self.engines.load("cnn@1")
        self.backlog = Backlog(self.engines, self.engines.at_a_time, 256)
        self.loader = Loader(
            self.settings,
            self.engines,
            self.backlog,
            lambda: self.desired,
            self.changes.release,
            self.ended,
            Watchdog(60).model_pulse("load"),
        )

    def desire(self, *refs: str) -> None:
        self.desired = DesiredVersions(requested=frozenset(refs))
        self.loader.desired_changed()

    def wait_for(self, ref: str) -> None:
        """Wait until a version is loaded or has failed to load."""
        while ref not in self.engines.loaded and ref not in self.engines.failed:
            assert self.changes.acquire(timeout=LONG_S)

    def run_batch(self, ref: str) -> np.ndarray:
        """Return the answer of `ref` to an image, as a runner would."""
        with self.engines.permits:
            assert self.engines.reserve(ref)
            with self.engines.engine(ref) as engine:
                return engine.predict(images(1)).probabilities


@contextmanager
def working(models_dir: Path, **settings: Any) -> Iterator[Worker]:
    worker = Worker(
        Settings(
            models_dir=models_dir,
            default_model="cnn@1",
            engine="litert",
            engine_threads=2,
            max_batch_images=8,
            **settings,
        )
    )
    thread = threading.Thread(target=worker.loader.run, daemon=True)
    thread.start()
    try:
        yield worker
    finally:
        worker.ended.set()
        worker.loader.wake()
        thread.join(LONG_S)
    assert not thread.is_alive()


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    publish(tmp_path, "cnn@1", "cnn@2")
    return tmp_path


def test_a_desired_version_is_loaded_with_an_engine_for_each_permit(models_dir: Path) -> None:
    with working(models_dir) as worker:
        worker.desire("cnn@2")
        worker.wait_for("cnn@2")
        assert len(worker.engines.loaded["cnn@2"].idle) == 2
        np.testing.assert_array_equal(worker.run_batch("cnn@2"), worker.run_batch("cnn@1"))
        state = worker.loader.state()
        assert state.wanted_models == ["cnn@2"]
        assert state.loading_model is None
        assert set(state.models) == {"cnn@1", "cnn@2"}


def test_a_version_with_the_same_layers_is_not_measured_again_and_another_one_is(models_dir: Path) -> None:
    publish(models_dir, "cnn@3", layers=[{"class": "Dense", "output_shape": [10], "parameters": 7}])
    with working(models_dir) as worker:
        known = worker.engines.loaded["cnn@1"].first.calibration
        for ref, like in (("cnn@2", "cnn@1"), ("cnn@3", "cnn@3")):
            worker.desire(ref)
            worker.wait_for(ref)
            assert (worker.engines.loaded[ref].first.calibration is known) == (like == "cnn@1")
            assert worker.loader.state().models[ref].measured_as == like


def test_batches_of_other_versions_run_while_one_is_loaded(models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()
    with working(models_dir) as worker:
        held_up(monkeypatch, begun, go_on)
        worker.backlog.put([delivery(3, "interactive", model="cnn@2")])
        worker.loader.wake()
        assert begun.wait(LONG_S)
        assert worker.loader.state().loading_model == "cnn@2"
        assert worker.run_batch("cnn@1").shape == (1, 10)
        assert worker.backlog.take() == []
        go_on.set()
        assert worker.backlog.wait()
        assert sum(part.count for part in worker.backlog.take()) == 3


def held_up(monkeypatch: pytest.MonkeyPatch, begun: threading.Event, go_on: threading.Event) -> None:
    """Make every load from now on set `begun`, and wait for `go_on`."""
    load: Callable[..., Any] = load_engine

    def load_late(*args: Any) -> Any:
        begun.set()
        assert go_on.wait(LONG_S)
        return load(*args)

    monkeypatch.setattr(loading, "load_engine", load_late)


def test_a_version_that_nobody_uses_is_freed_after_its_time(models_dir: Path) -> None:
    publish(models_dir, "cnn@3")
    with working(models_dir, model_idle_s=600) as worker:
        worker.desire("cnn@2")
        worker.wait_for("cnn@2")
        runtimes = [weakref.ref(engine.networks[0].runtime) for engine in worker.engines.loaded["cnn@2"].idle]
        interpreters = [
            weakref.ref(allocated.interpreter)
            for runtime in runtimes
            for allocated in runtime()._interpreters.values()  # type: ignore[union-attr]
        ]
        assert len(interpreters) >= 2
        worker.desire()
        worker.now_s = 599.0
        worker.run_batch("cnn@1")
        assert "cnn@2" in worker.engines.loaded
        worker.now_s = 601.0
        gone = threading.Event()
        weakref.finalize(runtimes[0](), gone.set)
        worker.loader.wake()
        assert gone.wait(LONG_S)
        assert set(worker.engines.loaded) == {"cnn@1"}
        assert [each() for each in (*runtimes, *interpreters) if each() is not None] == []


def test_the_latest_version_stays_however_long_it_idles(models_dir: Path) -> None:
    with working(models_dir) as worker:
        worker.desire("cnn@2")
        worker.wait_for("cnn@2")
        worker.desire()
        worker.now_s = 1e6
        publish(models_dir, "other@1")
        worker.desire("other@1")
        worker.wait_for("other@1")
        assert set(worker.engines.loaded) == {"cnn@1", "cnn@2", "other@1"}


def test_no_version_is_unloaded_because_the_registry_is_not_mounted(models_dir: Path) -> None:
    with working(models_dir) as worker:
        worker.desire("cnn@2")
        worker.wait_for("cnn@2")
        models_dir.rename(models_dir.with_name("away"))
        worker.now_s = 1e6
        worker.desire("other@1")  # its failure says that the registry has been read since
        worker.wait_for("other@1")
        assert set(worker.engines.loaded) == {"cnn@1", "cnn@2"}
        assert worker.loader.models == {"cnn": [1, 2]}


def test_beyond_max_loaded_models_the_least_recently_used_version_is_unloaded(models_dir: Path) -> None:
    publish(models_dir, "big@1", "big@2", "big@3")
    with working(models_dir, max_loaded_models=3) as worker:
        for now_s, ref in enumerate(("big@1", "big@2", "big@1")):
            worker.now_s = float(now_s)
            worker.backlog.put([delivery(1, model=ref)])
            worker.loader.wake()
            assert worker.backlog.wait()
            worker.backlog.take()
            with worker.engines.engine(ref):
                pass
        worker.desire("cnn@2")
        worker.wait_for("cnn@2")
        assert set(worker.engines.loaded) == {"cnn@1", "big@1", "cnn@2"}


@pytest.fixture
def _constant_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every version as large as its files in two engines, instead of what the process happens to grow by."""
    monkeypatch.setattr(loading, "rss_bytes", lambda: 0)


VERSION_BYTES = 2 * (PUBLISHED / "model.keras").stat().st_size


@pytest.mark.usefixtures("_constant_memory")
def test_beyond_max_loaded_bytes_the_least_recently_used_version_is_unloaded(models_dir: Path) -> None:
    publish(models_dir, "big@1", "big@2")
    with working(models_dir, max_loaded_bytes=3 * VERSION_BYTES) as worker:
        for now_s, ref in enumerate(("big@1", "cnn@2", "big@2")):
            worker.now_s = float(now_s)
            worker.desire(ref)
            worker.wait_for(ref)
        assert worker.engines.memory_bytes() == 3 * VERSION_BYTES
        assert set(worker.engines.loaded) == {"cnn@1", "cnn@2", "big@2"}


@pytest.mark.usefixtures("_constant_memory")
def test_a_version_without_room_next_to_the_default_fails_with_both_sizes(models_dir: Path) -> None:
    with working(models_dir, max_loaded_bytes=2 * VERSION_BYTES - 1) as worker:
        worker.loader.ask("cnn@2")
        worker.wait_for("cnn@2")
        reason = worker.loader.state().failed_models["cnn@2"]
        assert f"take {2 * VERSION_BYTES} bytes, MAX_LOADED_BYTES={2 * VERSION_BYTES - 1}" in reason
        assert set(worker.engines.loaded) == {"cnn@1"}


def test_a_version_that_took_more_memory_than_its_files_have_is_unloaded_again(
    models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readings = itertools.count(0, 50 << 20)  # bytes: each load grows the process by 50 MiB
    monkeypatch.setattr(loading, "rss_bytes", lambda: next(readings))
    with working(models_dir, max_loaded_bytes=99 << 20) as worker:
        worker.loader.ask("cnn@2")
        while "cnn@2" not in worker.engines.failed:
            assert worker.changes.acquire(timeout=LONG_S)
        assert set(worker.engines.loaded) == {"cnn@1"}
        assert worker.engines.needed_bytes("cnn@2") == 50 << 20, "the next try is refused before it loads"


def test_a_version_that_runs_a_batch_is_not_unloaded(models_dir: Path) -> None:
    with working(models_dir) as worker:
        worker.loader.ask("cnn@2")
        worker.wait_for("cnn@2")
        assert worker.engines.reserve("cnn@2")
        assert "batch" in worker.loader.unload("cnn@2")
        with worker.engines.engine("cnn@2") as engine:
            assert "batch" in worker.loader.unload("cnn@2")
            assert engine.predict(images(1)).probabilities.shape == (1, 10)
        assert worker.loader.unload("cnn@2") == ""
        assert worker.loader.unload("cnn@2") == "cnn@2 is not loaded"
        assert "default" in worker.loader.unload("cnn@1")


def test_a_version_that_does_not_load_is_reported_and_entries_that_wait_for_it_fail(models_dir: Path) -> None:
    publish_broken(models_dir, "broken@1")
    with working(models_dir) as worker:
        worker.backlog.put([delivery(2, model="broken@1")])
        worker.loader.wake()
        assert worker.backlog.wait()
        assert "broken@1 will not load" in worker.loader.state().failed_models["broken@1"]
        assert sum(part.count for part in worker.backlog.take()) == 2
        with pytest.raises(ModelError, match="will not load"), worker.engines.engine("broken@1"):
            raise AssertionError("there is no engine to run")


def test_a_version_that_did_not_load_is_tried_again_when_it_is_desired_again(models_dir: Path) -> None:
    with working(models_dir) as worker:
        worker.desire("later@1")
        worker.wait_for("later@1")
        assert "later" in worker.engines.failed["later@1"]
        publish(models_dir, "later@1")
        worker.desire("later@1", "cnn@2")
        for ref in ("cnn@2", "later@1"):
            worker.wait_for(ref)
        assert set(worker.engines.loaded) == {"cnn@1", "cnn@2", "later@1"}
        assert worker.engines.failed == {}


def test_asking_for_a_version_that_is_not_there_is_refused(models_dir: Path) -> None:
    with working(models_dir) as worker, pytest.raises(ModelError, match="cnn"):
        worker.loader.ask("cnn@9")
