from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from shared.data.dataset import Split
from shared.errors import ModelError
from shared.models import registry
from training.__main__ import make_parser

if TYPE_CHECKING:
    import keras

    from training.train import Trained

pytestmark = pytest.mark.slow


@pytest.fixture
def version_dir(flatbuffer: bytes, tmp_path: Path) -> Path:
    """A directory with the model.tflite that `write` expects."""
    (tmp_path / "model.tflite").write_bytes(flatbuffer)
    return tmp_path


@pytest.fixture(scope="module")
def ensemble(trained: Trained) -> keras.Model:
    """Two networks and two views: outputs inside the networks hold both views of an image."""
    from training.architecture import build as build_network
    from training.combining.ensemble import View, build

    return build([trained.model, build_network("tiny")], [View(), View(angle_deg=8)])


def outputs_of(file: Path, image: np.ndarray) -> list[np.ndarray]:
    """Return the outputs of a LiteRT file for uint8[28,28]."""
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(model_path=str(file), num_threads=1).get_signature_runner()
    answers = runner(image=image[None, ..., None].astype(np.float32))
    return [answers[f"output_{number}"] for number in range(len(answers))]


def test_each_output_equals_the_output_of_that_layer_in_keras(
    trained: Trained, version_dir: Path, handful: Split
) -> None:
    import keras

    from training.publishing import layers_file

    rows = layers_file.write(version_dir, trained.model)
    assert rows is not None
    assert rows[0] == {"name": "scale", "class": "Rescaling", "shape": [28, 28, 1]}
    assert {"name": "norm1", "class": "BatchNormalization", "shape": [14, 14, 32]} in rows
    assert rows[-1] == {"name": "probabilities", "class": "Softmax", "shape": [10]}
    assert not {"InputLayer", "Dropout", "Flatten"} & {row["class"] for row in rows}
    oracle = keras.Model(trained.model.input, [trained.model.get_layer(row["name"]).output for row in rows])
    for image in handful.images[:5]:
        truths = oracle(image[None, ..., None].astype(np.float32))
        for row, answer, truth in zip(rows, outputs_of(version_dir / layers_file.FILE, image), truths, strict=True):
            assert list(answer.shape) == [1, *row["shape"]]
            np.testing.assert_allclose(answer, truth, atol=1e-4, err_msg=row["name"])


def test_the_members_of_an_ensemble_have_outputs_for_each_view(
    ensemble: keras.Model, tmp_path: Path, handful: Split
) -> None:
    import keras

    from training.publishing import layers_file
    from training.publishing.litert import convert

    (tmp_path / "model.tflite").write_bytes(convert(ensemble))
    rows = layers_file.write(tmp_path, ensemble)
    assert rows is not None
    shapes = {row["name"]: row["shape"] for row in rows}
    assert len(shapes) == len(rows)
    assert (shapes["view2"], shapes["views"], shapes["member1/relu1"]) == ([784], [2, 28, 28, 1], [2, 14, 14, 32])
    assert shapes["member2/probabilities"] == [2, 10]
    assert rows[-1]["shape"] == [10]

    pixels = handful.images[3]
    outputs = dict(zip(shapes, outputs_of(tmp_path / layers_file.FILE, pixels), strict=True))
    member = ensemble.get_layer("member2")
    oracle = keras.Model(member.inputs[0], member.get_layer("relu2").output)
    np.testing.assert_allclose(outputs["member2/relu2"], oracle(outputs["views"]), atol=1e-4)
    answers = np.concatenate([ensemble.get_layer(f"member{number}")(outputs["views"]) for number in (1, 2)])
    np.testing.assert_allclose(list(outputs.values())[-1][0], answers.mean(axis=0), atol=1e-5)


def test_layers_inside_members_are_left_out_if_they_have_too_many_values(
    ensemble: keras.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    from shared.models import layer_model

    monkeypatch.setattr(layer_model, "MAX_VALUES", 5000)
    opened: Any = layer_model.layer_model(ensemble)
    assert [row.name for row in opened[1]][:4] == ["view2", "views", "member1", "member2"]
    monkeypatch.setattr(layer_model, "MAX_VALUES", 50)
    assert layer_model.layer_model(ensemble) is None


def test_a_file_whose_answers_differ_from_the_model_is_refused(version_dir: Path, trained: Trained) -> None:
    from training import architecture
    from training.publishing import layers_file

    with pytest.raises(ModelError, match="off for probabilities"):
        layers_file.write(version_dir, architecture.build("tiny"))
    assert not (version_dir / layers_file.FILE).exists()


def test_the_command_adds_layers_to_a_published_version(
    trained: Trained, flatbuffer: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.publishing import card, export, layers_file

    monkeypatch.setattr(export, "convert", lambda model: flatbuffer)
    published = export.export(trained.model, tmp_path, "cnn", 1, training={"seed": 7})
    (published.directory / layers_file.FILE).unlink()
    plain = published.card.copy()
    del plain["layer_outputs"]
    plain["files"] = {name: digest for name, digest in plain["files"].items() if name != layers_file.FILE}
    card.write(published.directory, plain)

    layers_file.run(make_parser().parse_args(f"layers cnn@1 --models-dir {tmp_path}".split()), "")
    version = registry.load_version(tmp_path, "cnn@1")
    assert version.card == published.card
    digest = hashlib.sha256((version.directory / layers_file.FILE).read_bytes()).hexdigest()
    assert version.card["files"][layers_file.FILE] == digest
