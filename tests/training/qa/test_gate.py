from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from shared.data.dataset import Split, load_split
from shared.errors import ModelError
from shared.models import registry
from shared.models.registry import ModelVersion
from training.publishing import publish
from training.publishing.card import hash_files
from training.qa import gate
from training.qa.bounds import Bounds
from training.qa.report import report
from training.qa.report.report import Report

# The speed of this machine does not matter here.
LIMITS = Bounds(throughput=None)
SAMPLE = load_split("test", None)


def test_a_damaged_file_is_refused_before_it_is_loaded(registry_dir: Path, champion: ModelVersion) -> None:
    path = registry_dir / "cnn/1/model.tflite"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    steps: list[str] = []
    judged = gate.judge(registry.load_version(registry_dir, "cnn@1"), champion, SAMPLE, LIMITS, progress=steps.append)
    assert not judged.passed
    assert [check.name for check in judged.checks] == ["files"]
    assert judged.failed[0].sentence == "model.tflite is damaged: its hash is not the one on the card"
    assert (judged.reading, steps) == (None, [])


def test_a_model_that_cannot_be_loaded_is_refused(registry_dir: Path) -> None:
    path = registry_dir / "cnn/1/model.tflite"
    path.write_bytes(b"intact, but not a model")
    version = registry.load_version(registry_dir, "cnn@1")
    version.card["files"] |= hash_files([path])
    judged = gate.judge(version, None, SAMPLE, LIMITS)
    assert [(check.name, check.passed) for check in judged.checks] == [("files", True), ("loads", False)]
    assert judged.failed[0].sentence.startswith("litert cannot load it: ")


def test_a_damaged_champion_is_an_error(registry_dir: Path, champion: ModelVersion) -> None:
    (registry_dir / "cnn/1/model.tflite").write_bytes(b"")
    damaged = registry.load_version(registry_dir, "cnn@1")
    with pytest.raises(ModelError, match=r"the champion cnn@1 is damaged: model\.tflite is damaged"):
        gate.judge(champion, damaged, SAMPLE, LIMITS)


@pytest.fixture(scope="module")
def verdict(shuffled: ModelVersion, champion: ModelVersion, mnist: Split) -> Report:
    first = Split("mnist", mnist.images[:5_000], mnist.labels[:5_000])
    return gate.judge(shuffled, champion, first, LIMITS)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_version_trained_on_shuffled_labels_of_a_class_is_refused_and_the_class_named(verdict: Report) -> None:
    failed = {check.name: check.sentence for check in verdict.failed}
    assert {"recall", "champion by class"} <= failed.keys()
    assert "of the 5s are classified correctly" in failed["recall"]
    assert failed["champion by class"].startswith("loses ")
    assert "of the 5s that cnn@1 classifies correctly" in failed["champion by class"]
    assert verdict.reading is not None
    assert verdict.reading.recall.index(min(verdict.reading.recall)) == 5
    assert sum(verdict.reading.confusion[5]) > 400
    # The version works in all other respects.
    sound = {"files", "loads", "probabilities", "batched = single", "batched = Keras", "engines agree", "memory"}
    assert sound <= {check.name for check in verdict.checks if check.passed}


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_refused_version_is_not_published(verdict: Report, shuffled: ModelVersion, tmp_path: Path) -> None:
    copy = shutil.copytree(shuffled.directory, tmp_path / "build/cnn/2")
    report.write(copy / report.REPORT, verdict.encode())
    with pytest.raises(ModelError, match=r"cnn@2 is not published: it failed the gate .*of the 5s"):
        publish.publish(registry.load_version(tmp_path / "build", "cnn@2"), tmp_path / "models")
    assert not (tmp_path / "models").exists()
