"""The API as it is where no MNIST lies beside it, so that it serves the digits that the project draws itself."""

import shutil
from pathlib import Path

from tests.support.processes import ROOT


def environ_without_mnist(folder: Path) -> dict[str, str]:
    """For processes that run the code's copy in `folder`, which is made here: MNIST is looked for beside the code."""
    for name in ("api", "shared"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return {"PYTHONPATH": str(folder), "PYTHONSAFEPATH": "1"}
