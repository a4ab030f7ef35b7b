from pathlib import Path

import numpy as np
import pytest

from shared.answers import Answers
from shared.images import Images, Probabilities
from shared.models.registry import load_version
from tests.support.processes import ROOT
from tests.training.qa.answers import GOLDEN_LABELS, LABELS, answer
from tests.training.qa.reports import make_version
from tests.worker.support.engines_of import engine_of
from training.qa.checks import soundness
from training.qa.evaluation import InputAnswers


def test_intact_files_pass(tmp_path: Path) -> None:
    check = soundness.check_files(make_version(tmp_path, "cnn@1"))
    assert (check.passed, check.sentence) == (True, "model.keras, model.tflite have the hashes on the card")


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    version = make_version(tmp_path, "cnn@1")
    (version.directory / "model.tflite").write_text("other")
    check = soundness.check_files(version)
    assert (check.passed, check.sentence) == (False, "model.tflite is damaged: its hash is not the one on the card")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    version = make_version(tmp_path, "cnn@1")
    (version.directory / "model.keras").unlink()
    assert soundness.check_files(version).sentence == "model.keras is missing"


@pytest.mark.parametrize("files", [{}, {"model.keras": ""}])
def test_a_card_without_hashes_of_the_model_fails(files: object, tmp_path: Path) -> None:
    check = soundness.check_files(make_version(tmp_path, "cnn@1", files=files))
    assert (check.passed, check.sentence) == (False, "the card lists no hash of model.tflite or model.onnx")


def test_a_stage_without_a_hash_fails(tmp_path: Path) -> None:
    version = make_version(tmp_path, "cnn@1")
    version.card["stages"] = [{"file": "model.tflite", "accept_from": 0.8}, {"file": "stage-2.tflite"}]
    check = soundness.check_files(version)
    assert (check.passed, check.sentence) == (False, "the card lists no hash of stage-2.tflite")


@pytest.mark.parametrize("name", ["../2/model.keras", "/etc/hostname", ".."])
def test_a_card_cannot_name_files_elsewhere(name: str, tmp_path: Path) -> None:
    make_version(tmp_path, "cnn@2")
    version = make_version(tmp_path, "cnn@1")
    version.card["files"][name] = "0" * 64
    assert soundness.check_files(version).sentence == f"{name} is missing"


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.5])
def test_answers_that_are_not_probabilities_fail(bad: float) -> None:
    answers = InputAnswers(Answers(answer(LABELS, {})), Answers(answer(GOLDEN_LABELS, {})), {})
    assert soundness.check_probabilities(answers).passed
    answers.test.probabilities[7, 2] = bad
    check = soundness.check_probabilities(answers)
    assert not check.passed
    assert check.sentence.startswith("1 of 1030 answers are not probabilities")


class Inconsistent:
    """A runtime whose answer to a single image differs from its answer in a batch."""

    kind = "litert"

    def run(self, images: Images) -> Probabilities:
        return answer(np.zeros(len(images), np.uint8), {}, 0.9 if len(images) == 1 else 0.92)


@pytest.mark.slow
def test_batches_single_images_keras_and_the_other_engine_are_compared(tmp_path: Path) -> None:
    from worker.engine import load_engine

    version = load_version(ROOT / "models", "cnn-small@2")
    images = np.random.default_rng(1).integers(0, 256, (300, 28, 28)).astype(np.uint8)
    checks = soundness.check_consistency(load_engine("litert", version.directory, 1), version, images)
    assert [(check.name, check.passed) for check in checks] == [
        ("batched = single", True),
        ("batched = Keras", True),
        ("engines agree", True),
    ]
    single, keras, engines = soundness.check_consistency(engine_of(Inconsistent(), {1: 1.0, 64: 1.0}), version, images)
    assert single.measured == pytest.approx(0.02, abs=1e-6)
    assert not any(check.passed for check in (single, keras, engines))
    other = make_version(tmp_path, "cnn@1")
    _, keras, engines = soundness.check_consistency(engine_of(Inconsistent(), {1: 1.0, 64: 1.0}), other, images)
    assert not keras.passed
    assert keras.sentence.startswith("there is no answer to compare with: ")
