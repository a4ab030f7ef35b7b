from pathlib import Path

import pytest

from shared.errors import ModelError
from shared.models import registry
from shared.models.registry import (
    ModelVersion,
    list_again,
    list_models,
    load_version,
    model_names,
    read_card,
    read_file,
    versions,
)


def publish(models_dir: Path, name: str, version: str, card: str = "{}") -> Path:
    directory = models_dir / name / version
    directory.mkdir(parents=True)
    (directory / "model.json").write_text(card)
    return directory


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    for version in ("2", "9", "10"):
        publish(tmp_path / "models", "cnn", version, f'{{"parameters": {version}}}')
    publish(tmp_path / "models", "a-2", "1")
    return tmp_path / "models"


def test_versions_are_numbers_and_the_oldest_comes_first(models_dir: Path) -> None:
    assert versions(models_dir, "cnn") == [2, 9, 10]


@pytest.mark.parametrize(("ref", "version"), [("cnn", 10), ("cnn@", 10), ("cnn@2", 2), ("cnn@9", 9)])
def test_a_bare_name_means_its_latest_version(models_dir: Path, ref: str, version: int) -> None:
    directory = models_dir / "cnn" / str(version)
    expected = ModelVersion("cnn", version, directory, {"parameters": version})
    assert load_version(models_dir, ref) == expected
    assert expected.ref == f"cnn@{version}"


def test_a_folder_without_a_card_is_no_version(models_dir: Path) -> None:
    (models_dir / "cnn" / "11").mkdir()
    (models_dir / "cnn" / "12" / "model.json").mkdir(parents=True)
    (models_dir / "empty" / "1").mkdir(parents=True)
    assert load_version(models_dir, "cnn").version == 10
    assert model_names(models_dir) == ["a-2", "cnn"]
    with pytest.raises(ModelError, match=r"no version '11' of model 'cnn'; available: 2, 9, 10"):
        load_version(models_dir, "cnn@11")


@pytest.mark.parametrize("folder", ["0", "01", "-1", "1.0", "v1", "1 ", "latest", "٣", "1000000000"])
def test_a_folder_whose_name_is_no_number_from_one_is_no_version(models_dir: Path, folder: str) -> None:
    publish(models_dir, "cnn", folder)
    assert versions(models_dir, "cnn") == [2, 9, 10]
    with pytest.raises(ModelError, match="no version"):
        load_version(models_dir, f"cnn@{folder}")


@pytest.mark.parametrize(
    "name",
    ["../cnn", "models/cnn", "./cnn", "cnn/", "cnn/.", "..", ".", "", "/", "CNN", "-cnn", "cnn\n", "c nn", "x" * 65],
)
def test_an_invalid_name_is_no_model(models_dir: Path, name: str) -> None:
    publish(models_dir.parent, "cnn", "1")  # where '../cnn' would lead
    publish(models_dir, "models/cnn", "1")
    assert versions(models_dir, name) == []
    with pytest.raises(ModelError, match="no model"):
        load_version(models_dir, name)


@pytest.mark.parametrize("version", ["../9", "9/", "9/../10", " 9", "09", "9@2", "+9", "9.0", "3"])
def test_an_invalid_version_is_refused(models_dir: Path, version: str) -> None:
    with pytest.raises(ModelError, match="of model 'cnn'; available: 2, 9, 10"):
        load_version(models_dir, f"cnn@{version}")


def test_an_unknown_model_is_refused_with_the_existing_ones(models_dir: Path) -> None:
    with pytest.raises(ModelError, match=f"no model 'resnet' in {models_dir}; available: a-2, cnn"):
        load_version(models_dir, "resnet@1")


def test_other_files_are_no_models(models_dir: Path) -> None:
    (models_dir / "README.md").write_text("models")
    (models_dir / "readme").write_text("models")
    (models_dir / "cnn" / "3").write_text("no folder")
    publish(models_dir, ".hidden", "1")
    assert model_names(models_dir) == ["a-2", "cnn"]
    assert versions(models_dir, "cnn") == [2, 9, 10]


def test_without_a_registry_there_are_no_models(tmp_path: Path) -> None:
    assert model_names(tmp_path / "models") == []
    with pytest.raises(ModelError, match="available: none"):
        load_version(tmp_path / "models", "cnn")


@pytest.mark.parametrize(
    "card", ["", "{", "[]", "null", '"card"', '{"files": []}', '{"files": null}', "\N{REPLACEMENT CHARACTER}"]
)
def test_a_malformed_card_is_refused_with_its_path(models_dir: Path, card: str) -> None:
    path = publish(models_dir, "cnn", "11", card) / "model.json"
    with pytest.raises(ModelError, match=f"{path} cannot be read: "):
        load_version(models_dir, "cnn")


def test_every_model_is_listed_with_its_versions(models_dir: Path) -> None:
    assert list_models(models_dir) == {"a-2": [1], "cnn": [2, 9, 10]}
    assert list_models(models_dir / "no") == {}


@pytest.mark.parametrize("mount_point", ["missing", "empty"])
def test_a_registry_that_loses_all_versions_at_once_counts_as_unreadable(tmp_path: Path, mount_point: str) -> None:
    folder = tmp_path / "models"
    assert list_again(folder, {}) == {}
    publish(folder, "cnn", "1")
    publish(folder, "cnn", "2")
    assert list_again(folder, {"cnn": [1], "gone": [1]}) == {"cnn": [1, 2]}
    folder.rename(tmp_path / "away")
    if mount_point == "empty":
        folder.mkdir()
    with pytest.raises(ModelError, match="models has no versions any more: mount or restore it"):
        list_again(folder, {"cnn": [1, 2]})


def test_a_file_next_to_a_card_is_read_if_it_exists(models_dir: Path) -> None:
    (models_dir / "cnn" / "2" / "report.json").write_text("{}")
    assert read_file(models_dir, "cnn", 2, "report.json") == b"{}"
    assert read_file(models_dir, "cnn", 9, "report.json") is None
    assert read_file(models_dir, "cnn", 3, "model.json") is None


def test_a_file_that_is_too_large_is_refused(models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "MAX_BYTES", 4)
    path = models_dir / "cnn" / "2" / "report.json"
    path.write_text("1234")
    assert read_file(models_dir, "cnn", 2, "report.json") == b"1234"
    path.write_text("12345")
    with pytest.raises(ModelError, match=f"{path} has more than 4 bytes"):
        read_file(models_dir, "cnn", 2, "report.json")


def test_a_folder_cannot_be_read_as_a_file(models_dir: Path) -> None:
    (models_dir / "cnn" / "2" / "report.json").mkdir()
    with pytest.raises(ModelError, match=r"report\.json cannot be read"):
        read_file(models_dir, "cnn", 2, "report.json")


def test_a_card_is_read_without_the_other_files(models_dir: Path) -> None:
    assert read_card(models_dir, "cnn@9") == {"parameters": 9}


@pytest.mark.parametrize("ref", ["cnn@3", "cnn", "cnn@", "cnn@../9", "no@1", "../cnn@1"])
def test_a_missing_card_is_refused_with_the_existing_ones(models_dir: Path, ref: str) -> None:
    with pytest.raises(ModelError, match="available: "):
        read_card(models_dir, ref)
