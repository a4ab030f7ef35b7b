"""The code of the previous release, in a folder of its own, from which processes of a drill run."""

import io
import os
import subprocess
import tarfile
from pathlib import Path

from tests.support.processes import ROOT

PREVIOUS_RELEASE = "909ff0a"
PREVIOUS_VARIABLE = "PREVIOUS_RELEASE"


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
