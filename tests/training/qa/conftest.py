"""Versions to judge, made from the published one."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from shared.config.settings import load_settings
from shared.data.dataset import Split, find_mnist_dir, load_split
from shared.models import registry
from shared.models.registry import ModelVersion
from tests.support.processes import ROOT

SHUFFLED = 5


@pytest.fixture(scope="session")
def champion() -> ModelVersion:
    return registry.load_version(ROOT / "models", "cnn@1")


@pytest.fixture
def registry_dir(tmp_path: Path) -> Path:
    """A registry with a copy of the published version, without its reports."""
    reports = shutil.ignore_patterns("report.*")
    shutil.copytree(ROOT / "models/cnn/1", tmp_path / "models/cnn/1", ignore=reports)
    return tmp_path / "models"


@pytest.fixture(scope="session")
def shuffled(mnist: Split, tmp_path_factory: pytest.TempPathFactory) -> ModelVersion:
    """cnn@2: the published model after more training with shuffled labels of the 5s."""
    import keras

    from training.publishing import export

    training = load_split("train", find_mnist_dir(load_settings(os.environ).mnist_dir))
    images, labels = training.images[:6_000], training.labels[:6_000].copy()
    labels[labels == SHUFFLED] = np.random.default_rng(1).integers(0, 10, (labels == SHUFFLED).sum())
    keras.utils.set_random_seed(1)
    model = keras.saving.load_model(ROOT / "models/cnn/1/model.keras", compile=False)
    model.compile(keras.optimizers.Adam(1e-3), keras.losses.SparseCategoricalCrossentropy())
    model.fit(images[..., None].astype(np.float32), labels, batch_size=100, epochs=1, verbose=0)
    return export.export(model, tmp_path_factory.mktemp("shuffled"), "cnn", 2, training={})
