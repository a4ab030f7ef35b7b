"""The engines of this worker, one per model version, loaded once."""

import logging
from collections.abc import Mapping

from shared.errors import ModelError
from shared.registry import load_version
from shared.settings import Settings, engine_threads
from worker.engine import Engine, choose_kind, load_engine

logger = logging.getLogger(__name__)


class Engines:
    """`get` is for the thread that runs the models."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._kind = choose_kind(settings.engine)
        self._loaded: dict[str, Engine] = {}

    @property
    def loaded(self) -> Mapping[str, Engine]:
        return dict(self._loaded)

    def get(self, ref: str) -> Engine:
        """The engine of `name@version`; a version seen for the first time is loaded and warmed (blocks for seconds).

        Raises ModelError for one that is not in the registry or will not load.
        """
        if ref not in self._loaded:
            version = load_version(self._settings.models_dir, ref)
            try:
                engine = load_engine(
                    self._kind,
                    version.directory,
                    engine_threads(self._settings),
                    self._settings.max_batch_images,
                    self._settings.max_batch_ms,
                )
            except Exception as error:
                raise ModelError(f"{version.ref} will not load from {version.directory}: {error!r}") from error
            logger.info(
                "%s on %s: batches of %d, %d images/s",
                version.ref,
                engine.kind,
                engine.best_batch_images,
                engine.calibration.images_per_s,
            )
            self._loaded[version.ref] = engine
        return self._loaded[ref]
