"""An API without MNIST, which serves the generated digits."""

import shutil
from pathlib import Path

from tests.support.processes import ROOT


def environ_without_mnist(folder: Path) -> dict[str, str]:
    """Copy the code to `folder` and return the environment for it. MNIST would be found next to the original code."""
    for name in ("api", "shared"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return {"PYTHONPATH": str(folder), "PYTHONSAFEPATH": "1"}
