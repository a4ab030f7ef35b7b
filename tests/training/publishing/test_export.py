from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from shared.data.dataset import Split
from shared.errors import ModelError
from training.__main__ import make_parser

if TYPE_CHECKING:
    from training.train import Trained

pytestmark = pytest.mark.slow


@pytest.fixture
def converted(flatbuffer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the conversions, which take seconds, in tests of the files around them."""
    from training.publishing import export, layers_file

    monkeypatch.setattr(export, "convert", lambda model: flatbuffer)
    monkeypatch.setattr(layers_file, "write", lambda directory, model: None)


@pytest.mark.parametrize("count", [1, 7, 64])
def test_litert_answers_like_keras_for_every_batch_size(
    count: int, flatbuffer: bytes, trained: Trained, handful: Split
) -> None:
    from ai_edge_litert.interpreter import Interpreter

    pixels = handful.images[:count, ..., None].astype(np.float32)
    interpreter = Interpreter(model_content=flatbuffer, num_threads=1)
    interpreter.resize_tensor_input(0, pixels.shape, strict=True)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], pixels)
    interpreter.invoke()
    answers = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    assert np.abs(answers - trained.model(pixels).numpy()).max() <= 1e-4


def test_normalisation_and_relu_are_folded_into_builtin_operations(flatbuffer: bytes) -> None:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=flatbuffer)
    assert interpreter.get_input_details()[0]["shape_signature"].tolist() == [-1, 28, 28, 1]
    names = [operation["op_name"] for operation in interpreter._get_ops_details()]
    assert names.count("CONV_2D") == 1 + 2
    # The rest are scaling, the reshapes around smoothing, and flattening with a variable batch size.
    assert set(names) <= {
        *("MUL", "EXPAND_DIMS", "CONV_2D", "SHAPE", "STRIDED_SLICE", "PACK", "RESHAPE", "FULLY_CONNECTED", "SOFTMAX"),
        "DELEGATE",
    }


def test_an_exported_version_has_a_complete_card(trained: Trained, tmp_path: Path) -> None:
    from training.publishing import export

    curves = tmp_path / "some.csv"
    curves.write_text("epoch,loss\n0,1.5\n")
    version = export.export(trained.model, tmp_path / "models", "cnn", 3, training={"seed": 7}, curves=curves)
    card = version.card
    assert version.ref == "cnn@3"
    assert (card["name"], card["version"], card["accuracy"], card["training"]) == ("cnn", 3, None, {"seed": 7})
    assert card["input"] == {"shape": [28, 28], "dtype": "uint8", "range": [0, 255]}
    assert card["labels"] == list("0123456789")
    assert card["layers"]
    assert card["parameters"] == sum(layer["parameters"] for layer in card["layers"])
    assert card["layers"][5] == {"name": "conv1", "class": "Conv2D", "output_shape": [14, 14, 32], "parameters": 800}
    assert set(card["files"]) == {"model.keras", "model.tflite", "layers.tflite", "curves.csv"}
    for name, digest in card["files"].items():
        assert hashlib.sha256((version.directory / name).read_bytes()).hexdigest() == digest


@pytest.mark.usefixtures("converted")
def test_a_version_is_replaced_only_by_force(trained: Trained, tmp_path: Path) -> None:
    from training.publishing import export

    export.export(trained.model, tmp_path, "cnn", 1, training={"run": "first"})
    with pytest.raises(ModelError, match="cnn/1 exists"):
        export.export(trained.model, tmp_path, "cnn", 1, training={"run": "second"})
    replaced = export.export(trained.model, tmp_path, "cnn", 1, training={"run": "third"}, force=True)
    assert replaced.card["training"] == {"run": "third"}
    assert [path.name for path in tmp_path.iterdir()] == ["cnn"]


@pytest.mark.usefixtures("converted")
def test_an_export_that_fails_keeps_the_old_version_and_leaves_no_files(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.publishing import export

    def fail(model: object) -> bytes:
        raise RuntimeError("converter")

    before = export.export(trained.model, tmp_path, "cnn", 1, training={"run": "first"})
    monkeypatch.setattr(export, "convert", fail)
    with pytest.raises(RuntimeError, match="converter"):
        export.export(trained.model, tmp_path, "cnn", 1, training={}, force=True)
    assert before.directory.is_dir()
    assert [path.name for path in tmp_path.iterdir()] == ["cnn"]


@pytest.mark.usefixtures("converted")
def test_a_name_that_the_registry_refuses_is_not_exported(trained: Trained, tmp_path: Path) -> None:
    from training.publishing import export

    with pytest.raises(ModelError, match="Not A Name"):
        export.export(trained.model, tmp_path, "Not A Name", 1, training={})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("converted")
def test_the_command_reads_the_record_and_curves_next_to_the_weights(tmp_path: Path) -> None:
    from shared.models import registry
    from training import architecture, weights
    from training.publishing import export

    path = tmp_path / "cnn.h5"
    weights.save(architecture.build("cnn"), path, {"seed": 7})
    weights.curves_path(path).write_text("epoch,loss\n")
    arguments = f"export --weights {path} --name small --version 2 --models-dir {tmp_path / 'models'}"
    export.run(make_parser().parse_args(arguments.split()), "")
    version = registry.load_version(tmp_path / "models", "small@2")
    assert version.card["training"] == {"seed": 7}
    assert (version.directory / "curves.csv").read_text() == "epoch,loss\n"
