"""The threads of a worker become engines."""

from pathlib import Path
from typing import Any

import pytest

from shared.config.settings import Settings
from tests.support.processes import ROOT
from tests.worker.support.engines_of import engine_of
from worker.engine import Engine, loaded, pool


@pytest.mark.parametrize(
    ("kind", "at_a_time", "threads_each", "runners"), [("litert", 3, 1, 3), ("tensorflow", 2, 3, 3)]
)
def test_litert_gets_an_engine_per_thread_and_keras_two_batches_at_a_time(
    monkeypatch: pytest.MonkeyPatch, kind: str, at_a_time: int, threads_each: int, runners: int
) -> None:
    asked: list[int] = []

    def load(kind: str, model_dir: Path, threads: int, *others: Any) -> Engine:
        asked.append(threads)
        runtime: Any = type("Runtime", (), {"kind": kind})()
        return engine_of(runtime, {1: 1.0})

    monkeypatch.setattr(loaded, "load_engine", load)
    monkeypatch.setattr(loaded, "replicate", lambda first, model_dir, count, pace: [first] * count)
    made = pool.EnginePool(Settings(engine=kind, engine_threads=3, models_dir=ROOT / "models"))
    made.load("cnn@1")
    assert made.reserve("cnn@1")
    with made.engine("cnn@1") as engine:
        assert engine is made.loaded["cnn@1"].first
    assert (made.at_a_time, asked, made.threads) == (at_a_time, [threads_each], runners)


def test_an_idle_engine_is_lent_for_a_short_batch_only(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime: Any = type("Runtime", (), {"kind": "litert"})()
    calibrated = {1: 0.5, 2: 1.0, 4: 2 * loaded.SHORT_MS}
    monkeypatch.setattr(loaded, "load_engine", lambda *_: engine_of(runtime, calibrated))
    made = pool.EnginePool(Settings(engine="litert", engine_threads=1, models_dir=ROOT / "models"))
    assert made.lend_idle("cnn@1", 1) is None, "it is not loaded"
    made.load("cnn@1")
    assert made.lend_idle("cnn@1", 3) is None, "it would take long"
    engine = made.lend_idle("cnn@1", 2)
    assert engine is made.loaded["cnn@1"].first
    assert made.lend_idle("cnn@1", 1) is None, "its only engine is in use"
    assert not made.unload("cnn@1"), "it is in use"
    made.take_back("cnn@1", engine)
    made.permits.release()
    assert made.permits.acquire(blocking=False), "every loan that was refused has given back its permit"
    assert not made.permits.acquire(blocking=False)
    assert made.unload("cnn@1")
