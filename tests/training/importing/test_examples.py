"""Labelled examples: what they put on the card of an imported version, and the gate on a labelled folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from shared.contract.model_spec import spec_of
from shared.models import registry
from tests.training.importing.made import write_labels, write_onnx
from training.__main__ import main
from training.data.examples import read_examples
from training.qa import golden

pytest.importorskip("onnxruntime")

LABELS = ("dark", "middle stripe", "bright")
SIDE = 12


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of 120 colour pictures of three kinds, in three formats, one of which is transparent."""
    folder = tmp_path_factory.mktemp("examples")
    random = np.random.default_rng(3)
    for number, label in enumerate(LABELS):
        (folder / label).mkdir()
        for index in range(40):
            pixels = random.integers(0, 60, (SIDE, SIDE, 3)).astype(np.uint8)
            pixels[SIDE // 3 : 2 * SIDE // 3] += np.uint8(170 * (number == 1))
            pixels += np.uint8(180 * (number == 2))
            Image.fromarray(pixels).save(folder / label / f"{index}.{('png', 'bmp', 'webp')[index % 3]}", lossless=True)
    (folder / "dark" / ".DS_Store").write_text("not a picture")
    (folder / "bright" / "notes.txt").write_text("not a picture")
    return folder


def write_classifier(path: Path, wrong: bool = False) -> Path:
    """Write a model for the three kinds of pictures, from the brightness of two regions."""
    onnx = pytest.importorskip("onnx")
    middle = np.zeros((SIDE, SIDE, 3), np.float32)
    middle[SIDE // 3 : 2 * SIDE // 3] = 1
    inside, around = middle.ravel() / middle.sum(), (1 - middle).ravel() / (1 - middle).sum()
    weights = np.stack([-inside - around, 3 * inside - 4 * around, 1.4 * around], 1).astype(np.float32)
    if wrong:
        weights = weights[:, [2, 1, 0]]
    model = onnx.load(write_onnx(path, ("n", SIDE, SIDE, 3)))
    model.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(weights, "weights"))
    onnx.save(model, path)
    return path


def import_model(file: Path, *options: str) -> int:
    labels = write_labels(file.parent / "labels.txt", *LABELS)
    fixed = ["--name", "own", "--labels", str(labels), "--values=-1..1", "--models-dir", str(file.parent / "models")]
    return main(["import", str(file), *fixed, *options])


def qa(ref: str, models: Path, *options: str) -> tuple[int, Any]:
    fixed = ["--models-dir", str(models), "--champion-dir", str(models), "--allow-slower"]
    code = main(["qa", ref, *fixed, *options])
    report = models / ref.replace("@", "/") / "report.json"
    return code, json.loads(report.read_text()) if report.is_file() else None


def test_examples_put_accuracy_golden_images_and_calibration_on_the_card(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert import_model(write_classifier(tmp_path / "net.onnx"), "--examples", str(pictures)) == 0
    printed = capsys.readouterr().out
    assert "120 of 120 examples are classified correctly, 100.00%" in printed
    version = registry.load_version(tmp_path / "models", "own@1")
    card = version.card
    accuracy = card["accuracy"]
    assert accuracy is not None
    assert (accuracy["images"], accuracy["correct"], accuracy["engine"]) == (120, 120, "onnx")
    assert card["recall"] == dict.fromkeys(LABELS, 1.0)
    assert card["temperature"] < 1, "the model is less sure than it is right"
    assert card["floor"] == pytest.approx(0.969, abs=0.001)
    assert set(card["files"]) == {"model.onnx", golden.FILE}
    found = golden.read_file(version.directory)
    assert found is not None
    assert (found[0].shape, sorted(found[1].tolist())) == ((9, SIDE, SIDE, 3), [0] * 3 + [1] * 3 + [2] * 3)


def test_wrong_values_or_labels_show_as_an_accuracy_of_guessing(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert import_model(write_classifier(tmp_path / "net.onnx", wrong=True), "--examples", str(pictures)) == 0
    assert "hardly better than guessing: check --values, and the order of the labels" in capsys.readouterr().out


@pytest.mark.slow
def test_the_gate_judges_on_a_labelled_folder(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models = tmp_path / "models"
    assert import_model(write_classifier(tmp_path / "net.onnx"), "--examples", str(pictures)) == 0
    code, report = qa("own@1", models, "--data", str(pictures))
    assert code == 0, capsys.readouterr().out
    names = {check["name"] for check in report["checks"]}
    assert {"accuracy", "recall", "golden images", "calibration", "noise", "rotation", "throughput", "memory"} <= names
    assert {"batched = single", "probabilities", "files"} <= names
    assert report["labels"] == list(LABELS)
    assert report["reading"]["confusion"] == [[40, 0, 0], [0, 40, 0], [0, 0, 40]]

    assert import_model(write_classifier(tmp_path / "net.onnx", wrong=True)) == 0
    code, report = qa("own@2", models, "--data", str(pictures), "--floor", "0.9")
    assert code == 1
    assert report["champion"] == "own@1"
    failed = {check["name"]: check["sentence"] for check in report["checks"] if not check["passed"]}
    assert {"accuracy", "recall", "golden images", "champion", "champion by class"} <= set(failed)
    assert "0.00% of the images of 'dark'" in failed["recall"]
    assert "a dark as bright" in failed["golden images"]
    assert "<th>middle stripe</th>" in (models / "own/2/report.html").read_text()


def test_the_gate_needs_a_folder_and_a_floor(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert import_model(write_classifier(tmp_path / "net.onnx")) == 0
    assert qa("own@1", tmp_path / "models")[0] == 1
    assert "does not read digits: name a folder with a folder per label with --data" in capsys.readouterr().err
    assert qa("own@1", tmp_path / "models", "--data", str(pictures))[0] == 1
    assert "has no floor: name the minimum accuracy with --floor" in capsys.readouterr().err


@pytest.mark.parametrize("resize", ["exact", "stretch", "crop", "pad"])
def test_pictures_of_another_size_are_resized_as_the_card_says(
    resize: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "examples" / "dark").mkdir(parents=True)
    Image.new("LA", (48, 24), (0, 0)).save(tmp_path / "examples" / "dark" / "clear.png")
    code = import_model(
        write_classifier(tmp_path / "net.onnx"), "--resize", resize, "--examples", str(tmp_path / "examples")
    )
    if resize == "exact":
        assert code == 1
        assert "clear.png has 48×24 pixels, but the model takes 12×12" in capsys.readouterr().err
        return
    assert code == 0
    spec = spec_of(registry.load_version(tmp_path / "models", "own@1").card)
    (image,) = read_examples(tmp_path / "examples", spec).images
    assert image[6].min() == 255, "transparent pixels are white"
    assert (image[0].max() == 0) == (resize == "pad"), "bars are black"


def test_folders_that_are_no_labels_and_damaged_pictures_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, folder = write_classifier(tmp_path / "net.onnx"), tmp_path / "examples"
    for prepare, reason in (
        (lambda: None, "is no folder"),
        (lambda: (folder / "dark").mkdir(parents=True), "has no pictures"),
        (lambda: (folder / "dark" / "1.png").write_bytes(b"no picture"), "1.png cannot be read as a picture"),
        (lambda: (folder / "cat").mkdir(), "cat is no label of the model: expected a folder per label, 'dark'"),
    ):
        prepare()
        assert import_model(file, "--examples", str(folder)) == 1
        assert reason in capsys.readouterr().err
    assert not list((tmp_path / "models").iterdir())


def test_of_too_many_pictures_every_nth_is_read(pictures: Path, tmp_path: Path) -> None:
    assert import_model(write_classifier(tmp_path / "net.onnx")) == 0
    spec = spec_of(registry.load_version(tmp_path / "models", "own@1").card)
    few = read_examples(pictures, spec, max_bytes=30 * spec.image_bytes)
    assert np.bincount(few.labels).tolist() == [10, 10, 10]
