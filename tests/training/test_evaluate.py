import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from shared.answers import Answers
from shared.contract.drift_histograms import BINS
from shared.contract.model_spec import MNIST_SPEC
from shared.data import dataset
from shared.errors import DatasetError
from shared.images import Images
from shared.models import registry
from training import evaluate
from training.__main__ import main, make_parser
from training.publishing import card

MODELS = dataset.REPOSITORY / "models"


class AlwaysThree:
    """An engine that classifies every image as a 3."""

    kind = "litert"
    spec = MNIST_SPEC

    def predict(self, images: Images) -> Answers:
        probabilities = np.zeros((len(images), 10), np.float32)
        probabilities[:, 3] = 1
        return Answers(probabilities)


def test_accuracy_is_the_share_of_images_whose_likeliest_class_is_the_label() -> None:
    split = dataset.load_split("test", None)
    measured = card.describe_quality(AlwaysThree().predict(split.images).probabilities, split, "litert")
    assert measured == {
        "accuracy": {
            "dataset": "sample",
            "images": 200,
            "correct": 16,
            "accuracy": 0.08,
            "interval_95": [0.049841, 0.125989],
            "engine": "litert",
        },
        "recall": {str(digit): float(digit == 3) for digit in range(10)},
        "calibration_error": 0.92,
    }


def test_the_reference_has_histograms_of_images_and_answers() -> None:
    split = dataset.load_split("test", None)
    reference = evaluate.reference(AlwaysThree(), split)  # type: ignore[arg-type]
    assert {name: len(shares) for name, shares in reference.items()} == BINS
    assert reference["predictions"] == [0, 0, 0, 1, 0, 0, 0, 0, 0, 0]
    assert reference["confidence"] == [*[0] * 9, 1]
    assert sum(reference["ink"]) == pytest.approx(1)


def test_accuracy_on_the_sample_is_not_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "find_mnist_dir", lambda setting, which: None)
    with pytest.raises(DatasetError, match="make data"):
        evaluate.run(make_parser().parse_args(["evaluate", "--write", "--models-dir", str(MODELS)]), "")


def test_a_version_in_a_registry_at_a_url_is_evaluated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dataset, "find_mnist_dir", lambda setting, which: None)
    monkeypatch.setenv("MODELS_CACHE_DIR", str(tmp_path))
    arguments = ["evaluate", "--model", "cnn@1", "--models-dir", f"file://{MODELS}"]
    assert main(arguments) == 0
    assert "cnn@1 on the 200 test images of sample, in litert: " in capsys.readouterr().out
    assert list(tmp_path.glob("*/cnn/1/model.tflite"))
    assert main([*arguments, "--write"]) == 1
    assert capsys.readouterr().err == "evaluate: --write needs a registry that is a folder, not a URL\n"


def test_the_published_files_have_the_hashes_on_the_card() -> None:
    version = registry.load_version(MODELS, "cnn@1")
    for name, digest in version.card["files"].items():
        assert hashlib.sha256((version.directory / name).read_bytes()).hexdigest() == digest


@pytest.mark.slow
@pytest.mark.usefixtures("mnist")
def test_the_published_model_is_as_good_as_its_card_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(MODELS / "cnn-small/1", tmp_path / "cnn-small/1")
    path = tmp_path / "cnn-small/1/model.json"
    published = json.loads(path.read_text())
    measured = ("accuracy", "recall", "calibration_error", "temperature", "reference")
    path.write_text(json.dumps({key: value for key, value in published.items() if key not in measured}))
    assert main(["evaluate", "--model", "cnn-small@1", "--models-dir", str(tmp_path), "--write"]) == 0
    written = json.loads(path.read_text())
    corrected = written.pop("corrected")
    assert corrected["images"] == 9_995
    assert published["accuracy"]["correct"] - 15 <= corrected["correct"] <= 9_995
    for name, shares in written.pop("reference").items():
        assert shares == pytest.approx(published["reference"][name], abs=1e-3)
        assert sum(shares) == pytest.approx(1, abs=1e-4)
    assert written == {key: value for key, value in published.items() if key != "reference"}
    assert published["accuracy"]["images"] == 10_000
    assert published["accuracy"]["accuracy"] >= 0.995
    assert f"{published['accuracy']['correct']} correct" in capsys.readouterr().out
