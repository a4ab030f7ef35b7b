from pathlib import Path

import pytest

from tests.support.processes import ROOT

GIVEN = ROOT.parent / "shared" / "data" / "models"


@pytest.fixture(scope="session")
def given_models() -> Path:
    """Return the folder of the models that other people made, or skip the test."""
    for folder in (GIVEN, ROOT.parents[1] / "shared" / "data" / "models"):
        if folder.is_dir():
            return folder
    pytest.skip("no models of other people in shared/data/models")
