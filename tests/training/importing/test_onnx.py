"""ONNX files as versions: what is derived, what is refused, and that the engine answers like ONNX Runtime."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.contract.model_spec import spec_of
from shared.models import registry
from tests.training.importing.made import make_pictures, write_labels, write_onnx
from training.__main__ import main
from worker.engine import load_engine

onnxruntime = pytest.importorskip("onnxruntime")

ABC = ("a", "b", "c")
MEAN, STD = np.array([0.5, 0.4, 0.3], np.float32), np.array([0.2, 0.3, 0.4], np.float32)
NORMALIZED = "mean=0.5,0.4,0.3/std=0.2,0.3,0.4"


def import_model(file: Path, *options: str, labels: tuple[str, ...] = ABC) -> int:
    lines = write_labels(file.parent / "labels.txt", *labels)
    return main(
        ["import", str(file), "--name", "own", "--labels", str(lines), "--models-dir", str(file.parent), *options]
    )


def answers_of(file: Path, numbers: Any) -> Any:
    """Return ONNX Runtime's own answers to the model's numbers, one image at a time."""
    session = onnxruntime.InferenceSession(str(file))
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: numbers[row : row + 1]})[0] for row in range(len(numbers))])


def softmax(logits: Any) -> Any:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def test_nchw_logits_and_a_batch_of_one_are_served_image_by_image(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_onnx(tmp_path / "net.onnx", (1, 3, 6, 5), ending="logits")
    assert import_model(file, "--values", NORMALIZED) == 0
    printed = capsys.readouterr().out
    assert "assumed layout NCHW, because the input is float32[1,3,6,5]" in printed
    assert "assumed output logits, from its answers to 16 test patterns" in printed
    assert "fixed batch of one, so that it runs image by image" in printed
    version = registry.load_version(tmp_path, "own@1")
    spec = spec_of(version.card)
    assert (spec.shape, spec.input.layout, spec.input.batch, spec.output) == ((6, 5, 3), "NCHW", 1, "logits")
    assert set(version.card["files"]) == {"model.onnx"}

    engine = load_engine("litert", version.directory, threads=1, max_batch_images=8)
    assert engine.kind == "onnx"
    pictures = make_pictures(13, 6, 5, 3)
    numbers = ((pictures.astype(np.float32) / 255 - MEAN) / STD).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(engine.predict(pictures).probabilities, softmax(answers_of(file, numbers)), atol=1e-5)


@pytest.mark.parametrize(
    ("values", "numbers"),
    [("0..255", lambda x: x), ("0..1", lambda x: x / 255), ("-1..1", lambda x: x / 127.5 - 1)],
)
@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_batches_and_single_images_get_the_answers_of_onnx_runtime(
    values: str, numbers: Any, layout: str, tmp_path: Path
) -> None:
    file = write_onnx(tmp_path / "net.onnx", ("n", 7, 5, 3) if layout == "NHWC" else ("n", 3, 7, 5))
    assert import_model(file, "--values", values) == 0
    engine = load_engine("litert", tmp_path / "own" / "1", threads=1, max_batch_images=8)
    assert spec_of(registry.load_version(tmp_path, "own@1").card).input.batch == 0
    pictures = make_pictures(11, 7, 5, 3)
    given = numbers(pictures.astype(np.float32))
    expected = answers_of(file, given if layout == "NHWC" else given.transpose(0, 3, 1, 2))
    np.testing.assert_allclose(engine.predict(pictures).probabilities, expected, atol=1e-5)
    for row in range(len(pictures)):
        alone = engine.predict(pictures[row : row + 1]).probabilities
        np.testing.assert_allclose(alone, expected[row : row + 1], atol=1e-5)


@pytest.mark.parametrize("ending", ["sigmoid", "logits"])
def test_one_number_is_the_probability_of_the_second_label(ending: Any, tmp_path: Path) -> None:
    file = write_onnx(tmp_path / "net.onnx", ("n", 6, 6, 1), outputs=1, ending=ending)
    assert import_model(file, "--values=-1..1", labels=("bad", "good")) == 0
    engine = load_engine("litert", tmp_path / "own" / "1", threads=1, max_batch_images=4)
    assert engine.spec.output == ending
    pictures = make_pictures(5, 6, 6)
    raw = answers_of(file, pictures[..., None].astype(np.float32) / np.float32(127.5) - 1)
    good = raw if ending == "sigmoid" else 1 / (1 + np.exp(-raw))
    np.testing.assert_allclose(engine.predict(pictures).probabilities, np.hstack([1 - good, good]), atol=1e-5)


def test_half_precision_and_images_without_an_axis_for_channels(tmp_path: Path) -> None:
    half = write_onnx(tmp_path / "half.onnx", ("n", 6, 6), dtype="FLOAT16")
    assert import_model(half, "--values", "0..1") == 0
    engine = load_engine("litert", tmp_path / "own" / "1", threads=1, max_batch_images=4)
    assert engine.predict(make_pictures(3, 6, 6)).probabilities.dtype == np.float32


def test_a_model_for_any_size_needs_a_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write_onnx(tmp_path / "net.onnx", ("n", "h", "w", 3))
    assert import_model(file, "--values", "0..1") == 1
    assert "images of any size: choose one with --size HEIGHTxWIDTH" in capsys.readouterr().err
    assert import_model(file, "--values", "0..1", "--size", "8x8") == 0
    assert import_model(file, "--values", "0..1", "--size", "9x9") == 1
    assert "does not run a single image" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("shape", "options", "made", "reason"),
    [
        (("n", 6, 6, 3), [], {}, "takes float32: name the numbers that the model was trained with"),
        (("n", 6, 6, 3), ["--values=quantized"], {}, "takes float32, so its input is not quantized"),
        (("n", 6, 6, 3), ["--values=0..1"], {"outputs": 4}, "gives 4 numbers per image, but there are 3 labels"),
        (("n", 6, 6, 4), ["--values=0..1"], {}, r"float32\[\?,6,6,4\]: expected 1 or 3 channels"),
        (("n", 6, 6, 2), ["--values=0..1"], {}, "expected 1 or 3 channels"),
        (("n", 3, 6, 3), ["--values=0..1"], {}, "can be read two ways: name the --layout"),
        (("n", 6, 6, 3), ["--values=0..1", "--layout=NCHW"], {}, "with --layout NCHW it would have 6 channels"),
        (("n", 784), ["--values=0..1"], {}, "which is no batch of images"),
        ((4, 6, 6, 3), ["--values=0..1"], {}, "does not run a single image, so that it cannot be batched"),
        (("n", 6, 6, 3), ["--values=0..1"], {"ending": "sigmoids"}, "like one sigmoid per label"),
        (("n", 6, 6, 3), ["--values=0..1", "--output=logits"], {}, "already are probabilities that sum to 1"),
        (
            ("n", 6, 6, 3),
            ["--values=0..1", "--output=probabilities"],
            {"ending": "logits"},
            "no probabilities that sum to 1: use --output logits",
        ),
        (("n", 6, 6, 3), ["--values=0..1", "--output=sigmoid"], {}, "--output sigmoid means one number"),
        (("n", 6, 6, 3), ["--values=mean=0.5/std=0.5"], {}, "has 1 means, but the images have 3 channels"),
        (("n", 6, 6, 3), ["--values=mean=0,0,0/std=1,0,1"], {}, "expected numbers above 0"),
        (("n", 6, 6, 3), ["--values=0..1", "--resize=digit"], {}, "resize is digit"),
        (("n", 6, 6, 3), ["--values=0..1", "--size=7x6"], {}, "so --size cannot be 7x6"),
        (("n", 700, 800, 3), ["--values=0..1"], {}, "bytes per image"),
    ],
)
def test_a_model_that_cannot_be_served_is_refused_with_the_reason_and_leaves_no_files(
    shape: Any, options: list[str], made: Any, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_onnx(tmp_path / "net.onnx", shape, **made)
    assert import_model(file, *options) == 1
    refusal = capsys.readouterr().err
    assert refusal.startswith("import: ")
    assert re.search(reason, refusal), refusal
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labels.txt", "net.onnx"]


def test_several_inputs_and_outputs_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    onnx = pytest.importorskip("onnx")
    scale = onnx.helper.make_tensor_value_info("scale", onnx.TensorProto.FLOAT, [1])
    product = onnx.helper.make_node("Mul", ["flat", "scale"], ["product"])
    second = onnx.helper.make_tensor_value_info("product", onnx.TensorProto.FLOAT, ["n", 108])
    file = write_onnx(tmp_path / "net.onnx", ("n", 6, 6, 3), nodes=[product], inputs=[scale], others=[second])
    assert import_model(file, "--values", "0..1") == 1
    assert "has 2 inputs (image float32[?,6,6,3], scale float32[1])" in capsys.readouterr().err
    flat = onnx.helper.make_tensor_value_info("flat", onnx.TensorProto.FLOAT, ["n", 108])
    file = write_onnx(tmp_path / "net.onnx", ("n", 6, 6, 3), others=[flat])
    assert import_model(file, "--values", "0..1") == 1
    assert "has 2 outputs" in capsys.readouterr().err


def test_weights_in_another_file_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where ONNX Runtime would find the other file
    onnx = pytest.importorskip("onnx")
    model = onnx.load(write_onnx(tmp_path / "net.onnx", ("n", 16, 16, 3)))
    onnx.save(model, tmp_path / "net.onnx", save_as_external_data=True, location="net.data", size_threshold=0)
    assert import_model(tmp_path / "net.onnx", "--values", "0..1") == 1
    assert "its weights are in another file" in capsys.readouterr().err


def test_an_operator_that_the_runtime_lacks_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.load(write_onnx(tmp_path / "net.onnx", ("n", 6, 6, 3)))
    model.graph.node[1].op_type = "MyMatMul"
    onnx.save(model, tmp_path / "net.onnx")
    assert import_model(tmp_path / "net.onnx", "--values", "0..1") == 1
    assert "it needs the operator MyMatMul, which ONNX Runtime does not have" in capsys.readouterr().err


def test_without_onnx_runtime_the_extra_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.importing import model_file

    monkeypatch.setattr(model_file, "find_spec", lambda name: None)
    (tmp_path / "net.onnx").write_bytes(b"")
    assert import_model(tmp_path / "net.onnx") == 1
    assert "pip install 'mnistified[onnx]'" in capsys.readouterr().err


def test_a_version_that_takes_other_images_than_the_one_before_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for side, reported in ((6, False), (6, False), (8, True)):
        assert import_model(write_onnx(tmp_path / "net.onnx", ("n", side, 5, 3)), "--values", "0..1") == 0
        expected = "own@2 takes images of 5×6 in colour, and this version images of 5×8 in colour: requests for own get"
        assert (expected in capsys.readouterr().out) == reported
