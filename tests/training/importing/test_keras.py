"""Keras files and SavedModels as versions, in LiteRT and in Keras."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from shared.contract.model_spec import spec_of
from shared.models import registry
from tests.training.importing.made import make_pictures, write_labels
from training.__main__ import main
from worker.engine import load_engine

if TYPE_CHECKING:
    import keras

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:The structure of `inputs`:UserWarning")]

PICTURES = make_pictures(9, 8, 6, 3)


@pytest.fixture(scope="module")
def network() -> keras.Model:
    """A convolution and a dense layer, which gives logits for three labels."""
    import keras

    keras.utils.set_random_seed(1)
    convolution = keras.layers.Conv2D(4, 3, activation="relu")
    return keras.Sequential([keras.Input((8, 6, 3)), convolution, keras.layers.Flatten(), keras.layers.Dense(3)])


def import_model(file: Path, *options: str, labels: tuple[str, ...] = ("a", "b", "c")) -> int:
    lines = write_labels(file.parent / "labels.txt", *labels)
    models = file.parent / "models"
    return main(["import", str(file), "--name", "own", "--labels", str(lines), "--models-dir", str(models), *options])


def softmax(logits: Any) -> Any:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def test_a_keras_file_answers_the_same_in_both_engines(network: keras.Model, tmp_path: Path) -> None:
    network.save(tmp_path / "net.keras")
    assert import_model(tmp_path / "net.keras", "--values", "-1..1") == 0
    version = registry.load_version(tmp_path / "models", "own@1")
    assert set(version.card["files"]) == {"model.keras", "model.tflite"}
    assert version.card["layers"]
    assert (version.card["parameters"], spec_of(version.card).output) == (network.count_params(), "logits")
    numbers = PICTURES.astype(np.float32) / np.float32(127.5) - 1
    expected = softmax(np.asarray(network(numbers, training=False)))
    for kind in ("litert", "tensorflow"):
        engine = load_engine(kind, version.directory, threads=1, max_batch_images=4)
        assert engine.kind == kind
        np.testing.assert_allclose(engine.predict(PICTURES).probabilities, expected, atol=1e-5)


def test_a_saved_model_and_a_model_that_scales_the_pixels_itself(
    network: keras.Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import keras

    pixels = keras.Input((8, 6, 3))
    scaling = keras.Model(pixels, keras.layers.Softmax()(network(keras.layers.Rescaling(1 / 255)(pixels))))
    scaling.export(tmp_path / "saved", verbose=False)
    scaling.save(tmp_path / "net.keras")
    assert import_model(tmp_path / "saved", "--values", "0..255") == 0
    assert import_model(tmp_path / "net.keras") == 0
    assert "assumed values 0..255, because the model scales the pixels itself" in capsys.readouterr().out
    expected = np.asarray(scaling(PICTURES.astype(np.float32), training=False))
    for number in (1, 2):
        engine = load_engine("litert", tmp_path / "models" / "own" / str(number), threads=1, max_batch_images=4)
        np.testing.assert_allclose(engine.predict(PICTURES).probabilities, expected, atol=1e-5)


def test_files_that_keras_or_litert_cannot_read_are_refused(
    network: keras.Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import keras

    network.save_weights(tmp_path / "only.weights.h5")
    (tmp_path / "net.keras").write_bytes(b"no model")
    for name in ("only.weights.h5", "net.keras"):
        assert import_model(tmp_path / name, "--values", "0..1") == 1
        assert "cannot be loaded by Keras" in capsys.readouterr().err
    two = [keras.Input((8, 6, 3)), keras.Input((8, 6, 3))]
    keras.Model(two, network(keras.layers.Add()(two))).save(tmp_path / "two.keras")
    assert import_model(tmp_path / "two.keras", "--values", "0..1") == 1
    assert "exactly one input" in capsys.readouterr().err
    assert not list((tmp_path / "models").iterdir())


def test_a_fully_convolutional_model_gets_its_size_from_the_command(tmp_path: Path) -> None:
    import keras

    pixels = keras.Input((None, None, 1))
    features = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(2, 3)(pixels))
    keras.Model(pixels, keras.layers.Dense(1, activation="sigmoid")(features)).save(tmp_path / "net.keras")
    assert import_model(tmp_path / "net.keras", "--values", "0..1", labels=("bad", "good")) == 1
    assert import_model(tmp_path / "net.keras", "--values", "0..1", "--size", "12x10", labels=("bad", "good")) == 0
    spec = spec_of(registry.load_version(tmp_path / "models", "own@1").card)
    assert (spec.shape, spec.output, spec.labels) == ((12, 10, 1), "sigmoid", ("bad", "good"))


def test_a_keras_model_of_one_row_has_its_channels_last(tmp_path: Path) -> None:
    import keras

    pixels = keras.Input((1, 9, 1))
    keras.Model(pixels, keras.layers.Dense(2, "softmax")(keras.layers.Flatten()(pixels))).save(tmp_path / "net.keras")
    assert import_model(tmp_path / "net.keras", "--values", "0..1", labels=("bad", "good")) == 0
    spec = spec_of(registry.load_version(tmp_path / "models", "own@1").card)
    assert (spec.shape, spec.input.layout) == ((1, 9, 1), "NHWC")
