"""Checks that a version works: intact files, valid probabilities, and consistent answers."""

import hashlib
from collections.abc import Callable
from functools import partial

import numpy as np

from shared.answers import join
from shared.images import Images, Probabilities
from shared.models.registry import ModelVersion
from shared.models.temperature import scale
from training.qa.evaluation import InputAnswers
from training.qa.report.report import Check
from worker.engine import Engine
from worker.engine.check import TOLERANCE as ENGINE_TOLERANCE

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
        ("batched = Keras", partial(_predict_in_keras, version, sample), TOLERANCE),
        ("engines agree", partial(_predict_in_other_engine, engine, version, sample), ENGINE_TOLERANCE),
    ]
    return [_compare(name, engine, batched, predict, tolerance) for name, predict, tolerance in others]


def _compare(
    name: str, engine: Engine, batched: Probabilities, predict: Callable[[], Probabilities], tolerance: float
) -> Check:
    """Compare the engine's answers with raw ones, which get the engine's temperature."""
    try:
        difference = float(np.abs(batched - scale(predict(), engine.temperature)).max())
    except Exception as error:  # each runtime has its own exceptions for files that it cannot load
        return Check(name, False, f"there is no answer to compare with: {error}")
    sentence = f"on {len(batched)} test images, no probability differs by more than {difference:.2g}"
    return Check(name, difference <= tolerance, sentence, difference, tolerance, "at_most", "difference")


def _predict_singly(engine: Engine, images: Images) -> Probabilities:
    return np.concatenate([engine.runtime.run(images[row : row + 1]) for row in range(len(images))])


def _predict_in_keras(version: ModelVersion, images: Images) -> Probabilities:
    import keras
    import tensorflow as tf

    with tf.device("CPU"):
        model = keras.saving.load_model(version.directory / "model.keras", compile=False)
        answer: Probabilities = model(images[..., None].astype(np.float32), training=False).numpy()
    return answer


def _predict_in_other_engine(engine: Engine, version: ModelVersion, images: Images) -> Probabilities:
    if engine.kind == "litert":
        from worker.engine.keras import KerasRuntime

        return KerasRuntime(version.directory / "model.keras", threads=1).run(images)
    from worker.engine.litert import LiteRTRuntime

    return LiteRTRuntime(version.directory / "model.tflite", threads=1).run(images)
