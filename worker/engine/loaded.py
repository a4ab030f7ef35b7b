"""A loaded version, and loading one: its engines, their calibration, and the memory that they take."""

import logging
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shared.config.settings import Settings
from shared.errors import ModelError
from shared.models.registry import ModelVersion
from worker.engine import Engine, load_engine, replicate
from worker.engine.batch_limit import BatchLimit
from worker.engine.calibrate import Calibration
from worker.engine.choose import EngineKind
from worker.engine.memory import rss_bytes
from worker.engine.pace import Pace

logger = logging.getLogger(__name__)

SUFFIXES = (".tflite", ".onnx", ".keras")  # files that engines load
SHORT_MS = 3.0  # longest batch of a thread that reads entries: others wait


@dataclass(slots=True)
class LoadedVersion:
    """A version with its engines. `idle` are the engines that no batch uses.

    `memory_bytes` is the growth of the process during the load, at least the size of the files in all engines.
    `like` is the version whose calibration was reused, empty if this version was measured.
    """

    version: ModelVersion
    first: Engine
    idle: list[Engine]  # the most recently used engine is taken first: its memory is in the cache
    limit: BatchLimit
    memory_bytes: int
    like: str
    short_images: int  # the largest batch that runs within SHORT_MS
    used_s: float = 0.0  # time of the last batch, by the clock of EnginePool


def load_engines(
    version: ModelVersion,
    kind: EngineKind,
    count: int,
    threads_each: int,
    settings: Settings,
    pace: Pace,
    others: Mapping[str, LoadedVersion],
) -> LoadedVersion:
    """Load `count` engines of a version. Raises ModelError. One of `others` may give it its calibration."""
    before_bytes = rss_bytes() or 0
    try:
        like, known = _known(version, others)
        max_images, max_ms = settings.max_batch_images, settings.max_batch_ms
        first = load_engine(kind, version.directory, threads_each, max_images, max_ms, pace, known)
        engines = [first, *replicate(first, version.directory, count - 1, pace)]
    except Exception as error:
        raise ModelError(f"{version.ref} will not load from {version.directory}: {error!r}") from error
    calibration, calibrations = first.calibration, [network.calibration for network in first.networks]
    logger.info(
        "%s: %d %s engines, batches of %d, %d images/s each",
        version.ref,
        len(engines),
        first.kind,
        calibration.best_size,
        calibration.images_per_s,
    )
    after_bytes = rss_bytes() or 0
    return LoadedVersion(
        version=version,
        first=first,
        idle=engines,
        limit=BatchLimit(calibration.best_size, settings.max_batch_ms),
        memory_bytes=max(after_bytes - before_bytes, least_bytes(version, count)),
        like=like if all(map(operator.is_, calibrations, known)) and known else "",
        short_images=max((size for size, ms in calibration.ms_of_size.items() if ms <= SHORT_MS), default=0),
    )


def least_bytes(version: ModelVersion, engines: int) -> int:
    """Return the size of the model files in all engines, each of which reads them."""
    files = [version.directory / stage.file for stage in version.spec.networks]
    sizes = (max(_size(file.with_suffix(suffix)) for suffix in SUFFIXES) for file in files)
    return engines * sum(sizes)


def _known(version: ModelVersion, others: Mapping[str, LoadedVersion]) -> tuple[str, list[Calibration]]:
    """Return one of `others` that has the same architecture, and the calibrations of its networks."""
    for ref, loaded in others.items():
        if _architecture(loaded.version) == _architecture(version) != []:
            return ref, [network.calibration for network in loaded.first.networks]
    return "", []


def _size(file: Path) -> int:
    return file.stat().st_size if file.is_file() else 0


def _architecture(version: ModelVersion) -> list[tuple[object, ...]]:
    """Return class, shape and parameters of each layer, from the model card."""
    layers = version.card.get("layers") or []
    return [(layer.get("class"), layer.get("output_shape"), layer.get("parameters")) for layer in layers]
