"""Another model that is served next to MNIST's: its images, and a registry that has both."""

from pathlib import Path

import numpy as np
from PIL import Image

from shared.contract.model_spec import MAX_DENSE_LABELS, ModelSpec
from shared.errors import ModelError
from shared.images import Images
from shared.models import registry
from shared.models.registry import ModelVersion
from tests.support.uploads import image_file
from tools.faults.account import Oracle
from tools.faults.load.images import Pictures
from worker.engine import load_engine

IMAGES = 100
COARSE_SIDE = 6  # patches of a picture along each axis
MAX_BATCH_IMAGES = 4


def read_other(directory: Path) -> ModelVersion:
    """Return the version in a folder such as `models/person/1`. Raises ModelError for one with many labels."""
    version = registry.load_version(directory.parent.parent.resolve(), f"{directory.parent.name}@{directory.name}")
    if len(version.spec.labels) > MAX_DENSE_LABELS:
        raise ModelError(f"{version.ref} has {len(version.spec.labels)} labels: expected up to {MAX_DENSE_LABELS}")
    return version


def make_pictures_for(version: ModelVersion) -> Pictures:
    """Make images, and run the engine on them once, in this process."""
    images = draw_images(version.spec, IMAGES)
    engine = load_engine("litert", version.directory, threads=1, max_batch_images=MAX_BATCH_IMAGES)
    oracle = Oracle(engine.predict(images).probabilities, {})
    return Pictures(images, [image_file(image) for image in images], {}, oracle, version.ref)


def draw_images(spec: ModelSpec, count: int) -> Images:
    """Return uint8[count,H,W] or uint8[count,H,W,3] of coarse patches, which differ more than noise does."""
    height, width, channels = spec.shape
    rng = np.random.default_rng(1)
    coarse = rng.integers(0, 256, (count, COARSE_SIDE, COARSE_SIDE, channels), np.uint8)
    images = [
        np.asarray(Image.fromarray(patches.squeeze()).resize((width, height), Image.Resampling.BICUBIC))
        for patches in coarse
    ]
    return np.stack(images)


def make_registry(folder: Path, models_dir: Path, version: ModelVersion) -> Path:
    """Make a registry in `folder` with the models of `models_dir` and the version. Nothing is copied."""
    models = folder / "registry"
    (models / version.name).mkdir(parents=True)
    for model in models_dir.resolve().iterdir():
        if model.name != version.name:
            (models / model.name).symlink_to(model)
    (models / version.name / str(version.version)).symlink_to(version.directory)
    return models
