import argparse
import os
from pathlib import Path

import pytest

from deploy.serve import MODELS, absolute_paths, add_models, default_data_dir, serve
from shared.config.settings import load_settings
from shared.models.registry import list_models


def words(workers: int = 1, trainer: bool = False) -> argparse.Namespace:
    return argparse.Namespace(workers=workers, trainer=trainer, celery_api=False)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Use an empty folder and default settings, and undo the changes of `serve`."""
    monkeypatch.setattr(os, "environ", {"PATH": os.environ["PATH"], "DATA_DIR": "home"})
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_an_error_at_the_start_names_its_cause(elsewhere: Path) -> None:
    with pytest.raises(ValueError, match="serve: --workers 0: expected 1 or more"):
        serve(words(workers=0))
    assert Path.cwd() == elsewhere / "home"
    assert list_models(Path("models")) == list_models(MODELS), "without models of one's own, the package's are there"


def test_a_registry_of_ones_own_is_left_alone(elsewhere: Path) -> None:
    os.environ["MODELS_DIR"] = "mine"
    with pytest.raises(ValueError, match="--workers 0"):
        serve(words(workers=0))
    assert os.environ["MODELS_DIR"] == str(elsewhere / "mine"), "seen from where the user is"
    assert not list((elsewhere / "home").iterdir())


@pytest.mark.usefixtures("elsewhere")
def test_a_wrong_setting_refuses_to_start_before_anything_is_written() -> None:
    os.environ["API_PORT"] = "none"
    with pytest.raises(ValueError, match="serve: API_PORT='none'"):
        serve(words())
    assert not list(Path.cwd().iterdir())


def test_existing_versions_stay_as_they_are_and_missing_ones_are_added(tmp_path: Path) -> None:
    for version in ("1", "2"):
        (tmp_path / "package" / "cnn" / version).mkdir(parents=True)
        (tmp_path / "package" / "cnn" / version / "model.json").write_text("{}")
    registry = tmp_path / "registry"
    (registry / "cnn" / "1").mkdir(parents=True)
    (registry / "cnn" / "1" / "model.json").write_text('{"mine": 1}')
    (registry / "cnn" / ".2").mkdir()  # an earlier copy that was cut short
    add_models(tmp_path / "package", registry)
    assert list_models(registry) == {"cnn": [1, 2]}
    assert (registry / "cnn" / "1" / "model.json").read_text() == '{"mine": 1}'
    assert {path.name for path in (registry / "cnn").iterdir()} == {"1", "2"}


def test_the_data_is_in_the_users_data_folder() -> None:
    assert default_data_dir({"XDG_DATA_HOME": "/data"}) == Path("/data/mnistified")
    assert default_data_dir({"XDG_DATA_HOME": ""}) == Path.home() / ".local" / "share" / "mnistified"


def test_only_paths_that_are_given_are_made_absolute() -> None:
    environ = {"MNIST_DIR": "mnist", "MODELS_DIR": "s3://bucket/models", "API_PORT": "5001", "TRAINER_DIR": ""}
    assert absolute_paths(load_settings(environ), environ) == {"MNIST_DIR": str(Path.cwd() / "mnist")}
