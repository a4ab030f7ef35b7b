from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from shared.data import dataset

if TYPE_CHECKING:
    from training.train import Plan, Trained


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Ignore the warning that Keras causes because TensorFlow variables lack NumPy 2's `__array__` signature.

    Also that eager steps still read compiled data.
    """
    for item in items:
        if item.nodeid.startswith("tests/training/"):
            item.add_marker(pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"))
            item.add_marker(pytest.mark.filterwarnings("ignore:Even though the .tf.config.:UserWarning"))


@pytest.fixture
def eagerly() -> Iterator[None]:
    """Run the steps of a training one by one. To compile them takes longer than an epoch or two of these."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="session")
def handful() -> dataset.Split:
    """100 drawn images: enough for the loss to fall."""
    split = dataset.load_split("train", None)
    return dataset.Split("sample", split.images[:100], split.labels[:100])


@pytest.fixture(scope="session")
def plan() -> Plan:
    from training.architecture import NETWORKS, Conv, Dropout, Network, Smooth
    from training.train import Plan

    NETWORKS["tiny"] = Network("2 convolutions, for tests", (Smooth(), Conv(32, 5, 2), Conv(16, 3, 2), Dropout(0.1)))
    return Plan(network="tiny", epochs=8, batch_size=30, seed=7, augment=True)


@pytest.fixture(scope="session")
def trained(handful: dataset.Split, plan: Plan) -> Trained:
    """A short run that all tests share."""
    from training.train import fit

    return fit(handful, plan, verbose=False)


@pytest.fixture(scope="session")
def repeated(
    handful: dataset.Split, plan: Plan, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Trained, list[str], Path]:
    """The same run again, with its lines of progress, and its checkpoint as a power cut in the fourth epoch leaves it.

    The clock of the progress advances by a second per reading.
    """
    import keras

    from training.loop.checkpoint import open_checkpoint
    from training.loop.progress import JsonLines
    from training.train import fit

    running, cut = tmp_path_factory.mktemp("running") / "checkpoint", tmp_path_factory.mktemp("cut") / "checkpoint"

    class PowerCut(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
            if epoch == 3:
                shutil.copytree(running, cut)

    lines: list[str] = []
    now_s = iter(range(10_000))
    progress = JsonLines(lines.append, lambda: float(next(now_s)))
    checkpoint = open_checkpoint(running, {}, resume=False)
    again = fit(handful, plan, checkpoint=checkpoint, extra_callbacks=[progress, PowerCut()], verbose=False)
    return again, lines, cut


@pytest.fixture(scope="session")
def flatbuffer(trained: Trained) -> bytes:
    """Return the trained network as a LiteRT file."""
    from training.publishing.litert import convert

    return convert(trained.model)
