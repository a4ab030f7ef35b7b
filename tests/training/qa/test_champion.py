import json
from pathlib import Path

import pytest

from shared.errors import ModelError
from shared.models import registry
from tests.training.qa.reports import make_version
from training.qa import champion


def find(models_dir: Path, ref: str, requested: str | None = None) -> str | None:
    found = champion.find(models_dir, registry.load_version(models_dir, ref), requested)
    return found.ref if found else None


def test_the_champion_is_the_latest_other_version_that_has_passed(tmp_path: Path) -> None:
    for version, passed in enumerate((True, True, False, None, True), start=1):
        make_version(tmp_path, f"cnn@{version}", passed)
    make_version(tmp_path, "other@9", True)
    assert find(tmp_path, "cnn@5") == "cnn@2"
    assert find(tmp_path, "cnn@4") == "cnn@5"
    assert find(tmp_path, "other@9") is None


def test_any_version_or_none_can_be_requested(tmp_path: Path) -> None:
    for version in (1, 2):
        make_version(tmp_path, f"cnn@{version}", passed=version == 1)
    make_version(tmp_path, "seed@1")
    assert find(tmp_path, "cnn@2", "seed@1") == "seed@1"
    assert find(tmp_path, "cnn@2", "none") is None
    with pytest.raises(ModelError, match="cnn@2 cannot be its own champion"):
        find(tmp_path, "cnn@2", "cnn@2")
    with pytest.raises(ModelError, match="no version '7'"):
        find(tmp_path, "cnn@2", "cnn@7")


def test_the_same_version_in_another_registry_can_be_the_champion(tmp_path: Path) -> None:
    make_version(tmp_path / "models", "cnn@1", True)
    candidate = make_version(tmp_path / "build", "cnn@1", True)
    found = champion.find(tmp_path / "models", candidate, None)
    assert found is not None
    assert found.directory == tmp_path / "models/cnn/1"


def test_a_version_whose_report_is_about_other_files_is_not_the_champion(tmp_path: Path) -> None:
    make_version(tmp_path, "cnn@2")
    card = make_version(tmp_path, "cnn@1", True).directory / registry.CARD
    card.write_text(json.dumps(json.loads(card.read_text()) | {"files": {"model.keras": "0" * 64}}))
    assert find(tmp_path, "cnn@2") is None
