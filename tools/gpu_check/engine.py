"""`python -m tools.gpu_check.engine`: the networks of a version alone, in this process. Prints one line of JSON.

Importing this file imports Keras with the backend in KERAS_BACKEND.
"""

import argparse
import json
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version as version_of
from pathlib import Path

import keras
import numpy as np

from benchmarks.load.inputs import load_test_set
from benchmarks.measure.ceiling import images_per_s
from shared.images import Images
from tools.gpu_check.report import Device, Rate
from worker.engine.choose import sees_gpu
from worker.engine.keras import KerasRuntime

REPEATS = 20


def describe_device() -> Device:
    kind = keras.backend.backend()
    return Device(
        name=_jax_device() if kind == "jax" else _tensorflow_device(),
        is_gpu=sees_gpu(kind),
        kind=kind,
        versions=f"Keras {keras.__version__}, {kind} {version_of(kind)}, NumPy {np.__version__}",
    )


def _jax_device() -> str:
    import jax

    return str(jax.local_devices()[0].device_kind)


def _tensorflow_device() -> str:
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    return str(tf.config.experimental.get_device_details(gpus[0])["device_name"]) if gpus else platform.machine()


def measure_network(file: Path, images: Images, sizes: Sequence[int], seconds: float) -> list[Rate]:
    runtime = KerasRuntime(file, threads=1)
    name = f"{file.parent.parent.name}@{file.parent.name}, {file.name}"
    return [_measure_size(name, runtime, images, size, seconds) for size in sizes]


def _measure_size(name: str, runtime: KerasRuntime, images: Images, size: int, seconds: float) -> Rate:
    batch = images[:size]
    first_s = _run_s(runtime, batch)
    again_s = min(_run_s(runtime, batch) for _ in range(REPEATS))
    return Rate(
        network=name,
        size=size,
        compile_s=first_s,
        ms=again_s * 1e3,
        images_per_s=images_per_s([runtime.run], images, size, seconds),
        paired_images_per_s=images_per_s([runtime.run, runtime.run], images, size, seconds),
    )


def _run_s(runtime: KerasRuntime, batch: Images) -> float:
    start_s = time.perf_counter()
    runtime.run(batch)
    return time.perf_counter() - start_s


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.gpu_check.engine", description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("sizes", type=int, nargs="+")
    parser.add_argument("--seconds", type=float, required=True)
    options = parser.parse_args()
    images = load_test_set().images
    images = np.resize(images, (max(len(images), *options.sizes), *images.shape[1:]))  # the drawn sample has fewer
    files = sorted(options.directory.glob("*.keras"))
    rates = [rate for file in files for rate in measure_network(file, images, options.sizes, options.seconds)]
    print(json.dumps({"device": asdict(describe_device()), "rates": [asdict(rate) for rate in rates]}))


if __name__ == "__main__":
    main()
