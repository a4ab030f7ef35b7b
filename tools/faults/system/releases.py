"""The code of the previous release, in a folder of its own, from which processes of a drill run."""

import io
import os
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from shared.images import Images, Probabilities
from shared.models.registry import load_version
from tests.support.processes import ROOT
from tools.faults.load.images import Pictures
from worker.engine import load_engine

PREVIOUS_RELEASE = "be0f7b4"
PREVIOUS_VARIABLE = "PREVIOUS_RELEASE"


ANSWER = """
import sys
from pathlib import Path
import numpy as np
from worker.engine import load_engine
images = np.load(sys.argv[1])
answers = load_engine("litert", Path(sys.argv[3]), threads=1).predict(images)
np.save(sys.argv[2], getattr(answers, "probabilities", answers))  # older releases return the array itself
"""


def models_of(code: Path) -> Path:
    """Return the registry in a folder of code. Both releases serve that of the previous one, which both can load."""
    return code / "models"


def answered_by_both(pictures: Pictures, code: Path, folder: Path) -> Pictures:
    """Return the pictures with the answers of this release and of the one in `code`. `folder` is for files."""
    directory = load_version(models_of(code), "cnn").directory
    expected = load_engine("litert", directory, threads=1).predict(pictures.images).probabilities
    previous = answers_of(code, directory, folder, pictures.images)
    return replace(pictures, oracle=replace(pictures.oracle, expected=expected, previous=previous))


def answers_of(code: Path, directory: Path, folder: Path, images: Images) -> Probabilities:
    """Return the answers of the engine in the folder `code` with the version in `directory`, float32[N,10]."""
    np.save(folder / "images.npy", images)
    command = [sys.executable, "-c", ANSWER, str(folder / "images.npy"), str(folder / "answers.npy")]
    environ = {**os.environ, "PYTHONPATH": str(code)}
    subprocess.run([*command, str(directory)], cwd=code, env=environ, check=True)
    answers: Probabilities = np.load(folder / "answers.npy")
    return answers


def extract_previous(folder: Path) -> Path:
    """Write the files of the previous release to a new folder in `folder`, and return it.

    The environment variable PREVIOUS_RELEASE names another tag or commit. Raises SystemExit if this clone lacks it.
    """
    revision = os.environ.get(PREVIOUS_VARIABLE, PREVIOUS_RELEASE)
    archive = subprocess.run(
        ["git", "archive", "--format=tar", f"{revision}^{{commit}}"], cwd=ROOT, capture_output=True, check=False
    )
    if archive.returncode:
        raise SystemExit(
            f"the previous release {revision} is not in this clone ({archive.stderr.decode().strip()}): "
            f"get the whole history with `git fetch --unshallow --tags`, or name another release in {PREVIOUS_VARIABLE}"
        )
    previous = folder / "previous"
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(previous, filter="data")
    return previous
