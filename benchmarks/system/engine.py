"""The engine as a worker with this environment loads it."""

import os
from collections.abc import Callable
from pathlib import Path

from shared.answers import Answers
from shared.config.settings import engine_threads, load_settings
from shared.images import Images
from shared.models.mirror import open_registry
from shared.models.registry import load_version
from worker.engine import Engine, load_engine, replicate
from worker.engine.choose import choose_kind


def engine_alone() -> tuple[Engine, int]:
    """Return the engine of the default model with all of a worker's threads, and the number of threads."""
    settings = load_settings(os.environ)
    threads = engine_threads(settings)
    return load_engine(choose_kind(settings.engine), default_model_dir(), threads), threads


def engines_alone() -> tuple[list[list[Callable[[Images], Answers]]], int]:
    """Return the arrangements of a worker's threads, each a list of engines in parallel, and the number of threads."""
    engine, threads = engine_alone()
    arrangements: list[list[Callable[[Images], Answers]]] = [[engine.predict]]
    if engine.kind == "litert" and threads > 1:
        arrangements.append([each.predict for each in replicate(engine, default_model_dir(), threads)])
    return arrangements, threads


def default_model_dir() -> Path:
    """Return the folder of the version that answers requests without `?model=`."""
    settings = load_settings(os.environ)
    return load_version(open_registry(settings.models_dir, settings.models_cache_dir), settings.default_model).directory
