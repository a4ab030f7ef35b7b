"""`python -m tools.gpu_check.differences`: compare Keras with LiteRT, network by network. Prints one line of JSON.

Importing this file imports Keras with the backend in KERAS_BACKEND.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from benchmarks.load.inputs import load_test_set
from shared.config.settings import usable_cores
from shared.images import Images, Probabilities
from tools.gpu_check.report import Difference
from worker.engine.keras import KerasRuntime
from worker.engine.litert import LiteRTRuntime

BATCH_IMAGES = 50


def compare(file: Path, images: Images) -> Difference:
    """Compare a network's answers on uint8[N,28,28], and its layers on the first of these images."""
    keras = KerasRuntime(file, threads=1)
    litert = LiteRTRuntime(file.with_suffix(".tflite"), usable_cores())
    ours, others = (_answers(runtime, images) for runtime in (keras, litert))
    return Difference(
        network=f"{file.parent.parent.name}@{file.parent.name}, {file.name}",
        images=len(ours),
        of_probabilities=float(np.abs(ours - others).max()),
        of_layers=_layers_difference(keras, litert, images[:1]),
        other_predictions=int(np.count_nonzero(ours.argmax(axis=1) != others.argmax(axis=1))),
    )


def _answers(runtime: KerasRuntime | LiteRTRuntime, images: Images) -> Probabilities:
    whole = range(0, len(images) - BATCH_IMAGES + 1, BATCH_IMAGES)
    return np.concatenate([runtime.run(images[start : start + BATCH_IMAGES]) for start in whole])


def _layers_difference(keras: KerasRuntime, litert: LiteRTRuntime, image: Images) -> float:
    """Return the largest difference of a value. It is infinite if the layers have other names."""
    ours, others = keras.look_inside(image)[1], litert.look_inside(image)[1]
    if [output.name for output in ours] != [output.name for output in others]:
        return float("inf")
    return max(float(np.abs(one.values - other.values).max()) for one, other in zip(ours, others, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.gpu_check.differences", description=__doc__)
    parser.add_argument("directories", type=Path, nargs="+")
    parser.add_argument("--images", type=int, required=True)
    options = parser.parse_args()
    images = load_test_set().images[: options.images]
    files = [file for directory in options.directories for file in sorted(directory.glob("*.keras"))]
    print(json.dumps([asdict(compare(file, images)) for file in files]))


if __name__ == "__main__":
    main()
