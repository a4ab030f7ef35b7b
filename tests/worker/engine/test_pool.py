"""The threads of a worker become engines."""

from pathlib import Path
from typing import Any

import pytest

from shared.config.settings import Settings
from tests.support.processes import ROOT
from tests.worker.support.engines_of import engine_of
from worker.engine import Engine, pool


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

    monkeypatch.setattr(pool, "load_engine", load)
    monkeypatch.setattr(pool, "replicate", lambda first, model_dir, count, pace: [first] * count)
    made = pool.EnginePool(Settings(engine=kind, engine_threads=3, models_dir=ROOT / "models"))
    made.load("cnn@1")
    assert made.reserve("cnn@1")
    with made.engine("cnn@1") as engine:
        assert engine is made.loaded["cnn@1"].first
    assert (made.at_a_time, asked, made.threads) == (at_a_time, [threads_each], runners)
