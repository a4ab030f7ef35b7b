"""The inputs of every system: the MNIST test images (or the drawn sample), as PNG files and as one IDX upload.

`python -m benchmarks.load.inputs FILE` writes the engine's own answers to all of them, float32[N,10], as `.npy`.
"""

import io
import os
import struct
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.system.engine import engine_alone
from benchmarks.system.processes import ROOT
from shared.config.settings import load_settings
from shared.data.dataset import Split, find_mnist_dir, load_split
from shared.images import Images, Probabilities
from shared.shapes import IMAGE_SIDE

PNGS = 64  # sent in turn; enough that no system profits from repetition


@dataclass(frozen=True, slots=True)
class Inputs:
    """`expected` are the engine's own answers, float32[N,10]. `png_files` hold `pngs`, the first PNGS images."""

    dataset: str
    images: Images
    expected: Probabilities
    pngs: list[bytes]
    png_files: list[Path]


def make_inputs(folder: Path) -> Inputs:
    """Return the same inputs in every run on the same dataset."""
    folder.mkdir(parents=True, exist_ok=True)
    answers = folder / "expected.npy"  # by a process of its own: this process must not run a model while it measures
    subprocess.run([sys.executable, "-m", "benchmarks.load.inputs", str(answers)], cwd=ROOT, check=True)  # noqa: S603
    split = load_test_set()
    pngs = [to_png(split.images[index]) for index in range(PNGS)]
    files = [folder / f"{index}.png" for index in range(PNGS)]
    for file, png in zip(files, pngs, strict=True):
        file.write_bytes(png)
    return Inputs(split.name, split.images, np.load(answers), pngs, files)


def load_test_set() -> Split:
    return load_split("test", find_mnist_dir(load_settings(os.environ).mnist_dir, "test"))


def to_png(image: Images) -> bytes:
    """Return a grey PNG of uint8[28,28]."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def to_zip(pngs: list[bytes]) -> bytes:
    """Return a zip of PNG files, in order."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for index, png in enumerate(pngs):
            archive.writestr(f"{index}.png", png)
    return file.getvalue()


def idx_of(images: Images, count: int) -> bytes:
    """Return an IDX file of `count` images, uint8[count,28,28], which repeats the given images."""
    rows = np.arange(count) % len(images)
    return struct.pack(">HBBIII", 0, 8, 3, count, IMAGE_SIDE, IMAGE_SIDE) + images[rows].tobytes()


def main() -> None:
    engine, _ = engine_alone()
    np.save(sys.argv[1], engine.predict(load_test_set().images).probabilities)


if __name__ == "__main__":
    main()
