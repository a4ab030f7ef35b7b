"""The code of the previous release, in a folder of its own, from which processes of a drill run."""

import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np

from shared.images import Images, Probabilities
from tests.support.processes import ROOT
from tests.support.registries import DEFAULT

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


def answers_of(code: Path, folder: Path, images: Images) -> Probabilities:
    """Return the answers of the engine in the folder `code`, float32[N,10]. `folder` is for files."""
    np.save(folder / "images.npy", images)
    command = [sys.executable, "-c", ANSWER, str(folder / "images.npy"), str(folder / "answers.npy")]
    environ = {**os.environ, "PYTHONPATH": str(code)}
    subprocess.run([*command, str(DEFAULT.directory)], cwd=code, env=environ, check=True)
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
