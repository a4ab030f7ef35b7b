"""Checks that a version works: intact files, valid probabilities, and consistent answers."""

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from shared.answers import join
from shared.contract.layers_blob import LayerOutput
from shared.errors import ModelError
from shared.images import Images, Probabilities
from shared.models.registry import ModelVersion
from training.qa.evaluation import InputAnswers
from training.qa.report.report import Check
from worker.engine import Engine, load_runtimes
from worker.engine.check import TOLERANCE as ENGINE_TOLERANCE
from worker.engine.choose import EngineKind

FILES = ("model.keras", "model.tflite")
SAMPLE_IMAGES = 256
TOLERANCE = 1e-3  # between probabilities; adding float32 numbers in another order makes less than this


def check_files(version: ModelVersion) -> Check:
    """Check that every file on the card exists and has the hash on the card."""
    listed = version.card.get("files", {})
    if not set(FILES) <= set(listed):
        return Check("files", False, f"the card lists no hashes of {' and '.join(FILES)}")
    wrong = []
    for name, sha256 in listed.items():
        path = version.directory / name
        if path.parent != version.directory or not path.is_file():
            wrong.append(f"{name} is missing")
        elif hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
            wrong.append(f"{name} is damaged: its hash is not the one on the card")
    return Check("files", not wrong, "; ".join(wrong) or f"{', '.join(sorted(listed))} have the hashes on the card")


def check_probabilities(answers: InputAnswers) -> Check:
    """Check that all answers are finite and sum to 1."""
    probabilities = join([answers.test, answers.golden]).probabilities
    bad = ~np.isfinite(probabilities).all(axis=1)
    bad |= ~np.isclose(probabilities.sum(axis=1), 1, atol=TOLERANCE)
    if bad.any():
        sentence = f"{bad.sum()} of {len(bad)} answers are not probabilities: not finite, or their sum is not 1"
    else:
        sentence = "every answer is finite and sums to 1"
    return Check("probabilities", not bad.any(), sentence)


def check_consistency(engine: Engine, version: ModelVersion, images: Images) -> list[Check]:
    """Compare a sample's answers in batches with those to single images, of Keras and of the other runtime."""
    sample = images[:: max(1, len(images) // SAMPLE_IMAGES)][:SAMPLE_IMAGES]
    batched = engine.predict(sample).probabilities
    others: list[tuple[str, Callable[[], Probabilities], float]] = [
        ("batched = single", partial(_predict_singly, engine, sample), TOLERANCE),
        ("batched = Keras", partial(_predict_in_keras, engine, version, sample), TOLERANCE),
        ("engines agree", partial(_predict_in_other_engine, engine, version, sample), ENGINE_TOLERANCE),
    ]
    return [_compare(name, batched, predict, tolerance) for name, predict, tolerance in others]


def _compare(name: str, batched: Probabilities, predict: Callable[[], Probabilities], tolerance: float) -> Check:
    try:
        difference = float(np.abs(batched - predict()).max())
    except Exception as error:  # each runtime has its own exceptions for files that it cannot load
        return Check(name, False, f"there is no answer to compare with: {error}")
    sentence = f"on {len(batched)} test images, no probability differs by more than {difference:.2g}"
    return Check(name, difference <= tolerance, sentence, difference, tolerance, "at_most", "difference")


def _predict_singly(engine: Engine, images: Images) -> Probabilities:
    return np.concatenate([engine.predict(images[row : row + 1]).probabilities for row in range(len(images))])


class _Keras:
    """A Keras model on the CPU as a runtime."""

    kind: Final = "tensorflow"

    def __init__(self, path: Path) -> None:
        import keras

        self._model = keras.saving.load_model(path, compile=False)

    def run(self, images: Images) -> Probabilities:
        answer: Probabilities = self._model(images[..., None].astype(np.float32), training=False).numpy()
        return answer

    def look_inside(self, image: Images) -> tuple[Probabilities, list[LayerOutput]]:
        raise ModelError("only answers are compared")


def _predict_in_keras(engine: Engine, version: ModelVersion, images: Images) -> Probabilities:
    import tensorflow as tf

    with tf.device("CPU"):
        models = [_Keras((version.directory / stage.file).with_suffix(".keras")) for stage in version.spec.networks]
        return engine.with_runtimes(models).predict(images).probabilities


def _predict_in_other_engine(engine: Engine, version: ModelVersion, images: Images) -> Probabilities:
    other: EngineKind = "tensorflow" if engine.kind == "litert" else "litert"
    runtimes = load_runtimes(other, version.directory, 1, version.spec)
    return engine.with_runtimes(runtimes).predict(images).probabilities
