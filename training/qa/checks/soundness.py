"""Checks that the program is the program: whole files, real probabilities, the same answer whichever way one asks."""

import hashlib
from collections.abc import Callable
from functools import partial

import numpy as np

from shared.images import Images, Probabilities
from shared.models.registry import ModelVersion
from training.qa.exam import Answers
from training.qa.report.report import Check
from worker.engine import Engine
from worker.engine.check import TOLERANCE as ENGINE_TOLERANCE

FILES = ("model.keras", "model.tflite")
SAMPLE_IMAGES = 256
TOLERANCE = 1e-3  # of a probability: what adding up float32 in another order makes of it, and some


def check_files(version: ModelVersion) -> Check:
    """Every file that the card lists is there, with the hash that the card gives."""
    listed = version.card.get("files")
    if not isinstance(listed, dict) or not set(FILES) <= set(listed):
        return Check("files", False, f"the card lists no hashes of {' and '.join(FILES)}")
    wrong = []
    for name, sha256 in listed.items():
        path = version.directory / name
        if path.parent != version.directory or not path.is_file():
            wrong.append(f"{name} is missing")
        elif hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
            wrong.append(f"{name} is damaged: its hash is not the card's")
    return Check("files", not wrong, "; ".join(wrong) or f"{', '.join(sorted(listed))} are those of the card")


def check_probabilities(answers: Answers) -> Check:
    every = np.concatenate([answers.test, answers.golden])
    bad = ~np.isfinite(every).all(axis=1)
    bad |= ~np.isclose(every.sum(axis=1), 1, atol=TOLERANCE)
    told = f"{bad.sum()} of {len(every)} answers are no probabilities: they are not finite, or do not sum to one"
    return Check("probabilities", not bad.any(), told if bad.any() else "finite, and every answer sums to one")


def check_ways_of_asking(engine: Engine, version: ModelVersion, images: Images) -> list[Check]:
    """Batched, alone, in Keras and in the other runtime, on a sample of `images`. Imports TensorFlow: seconds."""
    sample = images[:: max(1, len(images) // SAMPLE_IMAGES)][:SAMPLE_IMAGES]
    batched = engine.predict(sample)
    return [
        _compare("batched = single", batched, partial(_one_by_one, engine, sample), TOLERANCE),
        _compare("batched = Keras", batched, partial(_ask_keras, version, sample), _tolerance(engine)),
        _compare("engines agree", batched, partial(_ask_other_engine, engine, version, sample), ENGINE_TOLERANCE),
    ]


def _compare(name: str, batched: Probabilities, ask: Callable[[], Probabilities], tolerance: float) -> Check:
    try:
        difference = float(np.abs(batched - ask()).max())
    except Exception as error:  # of a file that will not load, each runtime raises its own
        return Check(name, False, f"no answer to compare with: {error}")
    told = f"on {len(batched)} test images no probability differs by more than {difference:.2g}"
    return Check(name, difference <= tolerance, told, difference, tolerance, "at_most", "difference")


def _tolerance(engine: Engine) -> float:
    """Keras is asked on the CPU; a GPU multiplies in TensorFloat-32, and differs from it as from anything."""
    if engine.kind == "tensorflow":
        from worker.engine.tensorflow import sees_gpu

        return ENGINE_TOLERANCE if sees_gpu() else TOLERANCE
    return TOLERANCE


def _one_by_one(engine: Engine, images: Images) -> Probabilities:
    return np.concatenate([engine.runtime.run(images[row : row + 1]) for row in range(len(images))])


def _ask_keras(version: ModelVersion, images: Images) -> Probabilities:
    import keras
    import tensorflow as tf

    with tf.device("CPU"):
        model = keras.saving.load_model(version.directory / "model.keras", compile=False)
        answer: Probabilities = model(images[..., None].astype(np.float32), training=False).numpy()
    return answer


def _ask_other_engine(engine: Engine, version: ModelVersion, images: Images) -> Probabilities:
    if engine.kind == "tensorflow":
        from worker.engine.litert import LiteRTRuntime

        return LiteRTRuntime(version.directory / "model.tflite", threads=1).run(images)
    from worker.engine.tensorflow import TensorFlowRuntime

    return TensorFlowRuntime(version.directory / "model.keras", threads=1).run(images)
