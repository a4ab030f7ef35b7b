"""Checks that a version works: intact files, valid probabilities, and consistent answers."""

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from shared.answers import Answers, join
from shared.contract.layers_blob import LayerOutput
from shared.contract.model_spec import ModelSpec
from shared.errors import ModelError
from shared.images import Images, Probabilities
from shared.models.registry import ModelVersion
from training.qa.evaluation import InputAnswers
from training.qa.report.report import Check
from worker.engine import Engine, load_runtimes
from worker.engine.check import TOLERANCE as ENGINE_TOLERANCE
from worker.engine.check import sum_tolerance
from worker.engine.choose import EngineKind
from worker.engine.tensors import image_shape, pixel_table, read_probabilities, write_pixels

RUN_BY = ("model.tflite", "model.onnx")  # one of them runs on every worker
SAMPLE_IMAGES = 256
TOLERANCE = 1e-3  # between probabilities; adding float32 numbers in another order makes less than this


def check_files(version: ModelVersion) -> Check:
    """Check that every file on the card exists and has the hash on the card."""
    listed = version.card.get("files", {})
    if not set(RUN_BY) & set(listed):
        return Check("files", False, f"the card lists no hash of {' or '.join(RUN_BY)}")
    wrong = [f"the card lists no hash of {stage.file}" for stage in version.spec.stages if stage.file not in listed]
    for name, sha256 in listed.items():
        path = version.directory / name
        if path.parent != version.directory or not path.is_file():
            wrong.append(f"{name} is missing")
        elif hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
            wrong.append(f"{name} is damaged: its hash is not the one on the card")
    return Check("files", not wrong, "; ".join(wrong) or f"{', '.join(sorted(listed))} have the hashes on the card")


def check_probabilities(answers: InputAnswers, tolerance: float = TOLERANCE) -> Check:
    """Check that all answers are finite and sum to 1."""
    probabilities = join([answers.test, answers.golden]).probabilities
    bad = ~np.isfinite(probabilities).all(axis=1)
    bad |= ~np.isclose(probabilities.sum(axis=1), 1, atol=tolerance)
    if bad.any():
        sentence = f"{bad.sum()} of {len(bad)} answers are not probabilities: not finite, or their sum is not 1"
    else:
        sentence = "every answer is finite and sums to 1"
    return Check("probabilities", not bad.any(), sentence)


def tolerance_of(version: ModelVersion) -> float:
    """Return how far the sum of a version's probabilities may be from 1. A file that was imported may be quantised."""
    return TOLERANCE if _has_keras(version) else sum_tolerance(len(version.spec.labels))


def check_consistency(engine: Engine, version: ModelVersion, images: Images) -> list[Check]:
    """Compare a sample's answers in batches with those to single images, of Keras and of the other runtime.

    An imported version without model.keras has only one runtime.
    """
    sample = images[:: max(1, len(images) // SAMPLE_IMAGES)][:SAMPLE_IMAGES]
    batched = engine.predict(sample)
    others: list[tuple[str, Callable[[], Answers], float]] = [
        ("batched = single", partial(_predict_singly, engine, sample), TOLERANCE),
    ]
    others += [
        ("batched = Keras", partial(_predict_in_keras, engine, version, sample), TOLERANCE),
        ("engines agree", partial(_predict_in_other_engine, engine, version, sample), ENGINE_TOLERANCE),
    ] * _has_keras(version)
    return [_compare(name, batched, predict, tolerance) for name, predict, tolerance in others]


def _compare(name: str, batched: Answers, predict: Callable[[], Answers], tolerance: float) -> Check:
    try:
        difference = float(np.abs(_numbers(batched) - _numbers(predict())).max())
    except Exception as error:  # each runtime has its own exceptions for files that it cannot load
        return Check(name, False, f"there is no answer to compare with: {error}")
    sentence = f"on {len(batched.probabilities)} test images, no probability differs by more than {difference:.2g}"
    return Check(name, difference <= tolerance, sentence, difference, tolerance, "at_most", "difference")


def _numbers(answers: Answers) -> npt.NDArray[np.float32]:
    """Return the probabilities and, if there are any, the scores as one more column."""
    if answers.scores is None:
        return answers.probabilities
    return np.concatenate([answers.probabilities, answers.scores[:, None]], axis=1)


def _predict_singly(engine: Engine, images: Images) -> Answers:
    return join([engine.predict(images[row : row + 1]) for row in range(len(images))])


def _has_keras(version: ModelVersion) -> bool:
    return "model.keras" in version.card.get("files", {})


class _Keras:
    """A Keras model on the CPU as a runtime."""

    kind: Final = "tensorflow"

    def __init__(self, path: Path, spec: ModelSpec) -> None:
        import keras

        self._spec = spec
        self._model = keras.saving.load_model(path, compile=False)

    def run(self, images: Images) -> Probabilities:
        spec = self._spec.input
        pixels = np.empty((len(images), *image_shape(spec, rank=4)), np.float32)
        write_pixels(pixels, images, pixel_table(spec, np.float32), spec.layout)
        return read_probabilities(self._model(pixels, training=False).numpy(), self._spec.output)

    def look_inside(self, image: Images) -> tuple[Probabilities, list[LayerOutput]]:
        raise ModelError("only answers are compared")


def _predict_in_keras(engine: Engine, version: ModelVersion, images: Images) -> Answers:
    import tensorflow as tf

    with tf.device("CPU"):
        files = [(version.directory / stage.file).with_suffix(".keras") for stage in version.spec.networks]
        models = [_Keras(file, version.spec) for file in files]
        return engine.with_runtimes(models).predict(images)


def _predict_in_other_engine(engine: Engine, version: ModelVersion, images: Images) -> Answers:
    other: EngineKind = "tensorflow" if engine.kind == "litert" else "litert"
    runtimes = load_runtimes(other, version.directory, 1, version.spec)
    return engine.with_runtimes(runtimes).predict(images)
