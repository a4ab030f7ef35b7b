"""Five models that other people made: imported with the documented command, each answers like its own interpreter."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from shared.contract.model_spec import spec_of
from shared.models import registry
from tests.support.processes import ROOT
from tests.training.importing.made import make_pictures, write_labels
from training.__main__ import main
from worker.engine import Engine, load_engine

LABELS = {
    "pretrainedResnet": ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"],
    "vww": ["no person", "person"],
}
# File -> options, side, numbers of the pixels, and the tolerance.
GIVEN: dict[str, tuple[list[str], int, Any, float]] = {
    "pretrainedResnet.h5": (["--values", "0..255"], 32, lambda x: x.astype(np.float32), 1e-5),
    "pretrainedResnet.tflite": (["--values", "0..255"], 32, lambda x: x.astype(np.float32), 1e-5),
    "pretrainedResnet_quant.tflite": ([], 32, lambda x: (x.astype(int) - 128).astype(np.int8), 0),
    "vww_96_float.tflite": (["--values", "0..1"], 96, lambda x: x.astype(np.float32) / 255, 1e-5),
    "vww_96_int8.tflite": ([], 96, lambda x: (x.astype(int) - 128).astype(np.int8), 0),
}


def import_given(file: Path, models: Path, *options: str) -> int:
    labels = write_labels(models.parent / "labels.txt", *LABELS[file.name.partition("_")[0].partition(".")[0]])
    return main(["import", str(file), "--name", "own", "--labels", str(labels), "--models-dir", str(models), *options])


def interpreted(file: Path, numbers: Any) -> Any:
    """Return the answers of the file's own interpreter, one image at a time, as real numbers."""
    interpreter = Interpreter(model_path=str(file), num_threads=1)
    interpreter.allocate_tensors()
    (given,), (output,) = interpreter.get_input_details(), interpreter.get_output_details()
    answers = []
    for image in numbers:
        interpreter.set_tensor(given["index"], image[None])
        interpreter.invoke()
        answers.append(interpreter.get_tensor(output["index"])[0].copy())
    scale, zero = output["quantization"]
    return np.array(answers) if not scale else (np.array(answers).astype(np.float32) - zero) * np.float32(scale)


def check_answers(engine: Engine, pictures: Any, expected: Any, tolerance: float) -> None:
    batched = engine.predict(pictures).probabilities
    alone = np.concatenate([engine.predict(pictures[row : row + 1]).probabilities for row in range(len(pictures))])
    np.testing.assert_allclose(batched, expected, atol=tolerance, rtol=0)
    np.testing.assert_allclose(alone, expected, atol=tolerance, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("name", GIVEN)
def test_a_given_model_answers_like_its_own_interpreter(name: str, given_models: Path, tmp_path: Path) -> None:
    options, side, numbers, tolerance = GIVEN[name]
    file = given_models / name
    models = tmp_path / "models"
    assert import_given(file, models, *options) == 0
    version = registry.load_version(models, "own")
    spec = spec_of(version.card)
    assert (spec.shape, spec.input.batch, spec.output) == ((side, side, 3), 0, "probabilities")
    assert set(version.card["files"]) == {"model.tflite", *(["model.keras"] if name.endswith(".h5") else [])}
    pictures = make_pictures(21, side, side, 3)
    pictures[:4] //= 3
    if name.endswith(".h5"):
        import keras

        keras_model = keras.saving.load_model(file, compile=False)
        expected = np.asarray(keras_model([numbers(pictures)], training=False))
    else:
        expected = interpreted(file, numbers(pictures))
    check_answers(load_engine("litert", version.directory, 1, max_batch_images=16), pictures, expected, tolerance)


@pytest.mark.slow
def test_the_residual_network_as_onnx_answers_like_onnx_runtime(given_models: Path, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("tf2onnx")
    file = tmp_path / "pretrainedResnet.onnx"
    command = [sys.executable, "-m", "tf2onnx.convert", "--opset", "13", "--output", str(file)]
    subprocess.run(
        [*command, "--tflite", str(given_models / "pretrainedResnet.tflite")], check=True, capture_output=True
    )
    assert import_given(file, tmp_path / "models", "--values", "0..255") == 0
    pictures = make_pictures(21, 32, 32, 3)
    session = onnxruntime.InferenceSession(str(file))
    (expected,) = session.run(None, {session.get_inputs()[0].name: pictures.astype(np.float32)})
    engine = load_engine("litert", tmp_path / "models" / "own" / "1", 1, max_batch_images=16)
    assert engine.kind == "onnx"
    check_answers(engine, pictures, expected, 1e-5)


def test_values_that_the_quantisation_loses_are_refused(
    given_models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, values in (("vww_96_int8.tflite", "0..255"), ("pretrainedResnet_quant.tflite", "0..1")):
        assert import_given(given_models / name, tmp_path / "models", "--values", values) == 1
        refusal = capsys.readouterr().err
        assert "which --values does not give: the 256 values of a pixel would become 2" in refusal
    assert import_given(given_models / "vww_96_int8.tflite", tmp_path / "models", "--values", "0..1") == 0


def test_labels_that_do_not_fit_are_refused(
    given_models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, labels = given_models / "vww_96_float.tflite", tmp_path / "labels.txt"
    command = ["import", str(file), "--name", "own", "--values", "0..1", "--labels", str(labels)]
    command += ["--models-dir", str(tmp_path / "models")]
    for lines, reason in (
        ("a\nb\nc\n", "gives 2 numbers per image, but there are 3 labels"),
        ("a\n\nb\n", "labels.txt:2 is empty"),
        ("cat\ndog\ncat\n", "labels.txt:3 repeats 'cat' of line 1"),
        ("a\n", "labels has 1 names"),
        ("", "labels has 0 names"),
    ):
        labels.write_text(lines)
        assert main(command) == 1
        assert reason in capsys.readouterr().err
    labels.write_bytes(b"\xef\xbb\xbfno person\r\nperson\r\n\r\n")
    assert main(command) == 0
    assert registry.load_version(tmp_path / "models", "own@1").card["labels"] == ["no person", "person"]


def test_versions_count_up_and_are_never_replaced(
    given_models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, models = given_models / "vww_96_int8.tflite", tmp_path / "models"
    assert [import_given(file, models) for _ in range(2)] == [0, 0]
    assert registry.versions(models, "own") == [1, 2]
    assert import_given(file, models, "--version", "2") == 1
    assert "own/2 exists" in capsys.readouterr().err
    assert import_given(file, models, "--version", "7") == 0


def test_a_file_that_is_no_model_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = write_labels(tmp_path / "labels.txt", "a", "b")
    rest = ["--name", "own", "--labels", str(labels), "--models-dir", str(tmp_path / "models")]
    (tmp_path / "folder").mkdir()
    for name, content, reason in (
        ("net.tflite", b"no model", "is no TFLite file"),
        ("net.tflite", b"\0\0\0\0TFL3" + b"\xff" * 64, "cannot be served"),
        ("net.pt", b"", "export the network with torch.onnx.export"),
        ("net.txt", b"", "expected .keras, .h5, .tflite, .onnx, or the folder of a SavedModel"),
        ("missing.tflite", None, "does not exist"),
        ("folder", None, "is a folder without saved_model.pb"),
    ):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        assert main(["import", str(tmp_path / name), *rest]) == 1
        assert reason in capsys.readouterr().err
    assert main(["import", str(tmp_path / "net.txt"), *rest[2:], "--name", "Own Model"]) == 1
    assert "is no name of a model" in capsys.readouterr().err


@pytest.mark.slow
def test_without_tensorflow_a_tflite_file_is_imported_and_a_keras_file_names_the_extra(
    given_models: Path, tmp_path: Path
) -> None:
    labels = write_labels(tmp_path / "labels.txt", *LABELS["pretrainedResnet"])
    program = """
import importlib.util, sys
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, *others: None if name == "tensorflow" else find_spec(name, *others)
from training.__main__ import main
code = main(sys.argv[1:])
assert not {"tensorflow", "keras"} & set(sys.modules)
sys.exit(code)
"""
    options = ["--values", "0..255", "--name", "own", "--labels", str(labels), "--models-dir", str(tmp_path / "models")]
    for name, code, printed in (
        ("pretrainedResnet.tflite", 0, "own@1 with 10 labels"),
        ("pretrainedResnet.h5", 1, "TensorFlow, which converts it, is missing"),
    ):
        command = [sys.executable, "-c", program, "import", str(given_models / name), *options]
        finished = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
        assert finished.returncode == code, finished.stderr
        assert printed in finished.stdout + finished.stderr
