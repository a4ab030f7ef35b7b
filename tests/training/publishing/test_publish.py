from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from shared.errors import ModelError
from shared.models import registry
from tests.training.qa.reports import judged, make_version
from training.__main__ import main
from training.publishing.publish import publish
from training.qa.report import report


def test_a_version_that_has_passed_is_copied_whole(tmp_path: Path) -> None:
    source = make_version(tmp_path / "build", "cnn@2", passed=True)
    (source.directory / report.PAGE).write_text("page")
    (source.directory / "notes.txt").write_text("not the card's")
    published = publish(source, tmp_path / "models")
    names = {"model.keras", "model.tflite", "model.json", "report.json", "report.html"}
    assert {path.name for path in published.directory.iterdir()} == names
    for name in names:
        assert (published.directory / name).read_bytes() == (source.directory / name).read_bytes()
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["cnn"]


def test_a_version_that_has_not_passed_is_refused_and_leaves_no_files(tmp_path: Path) -> None:
    for version, passed, reason in (
        (1, None, r"it has no report\.json: judge it with `python -m training qa cnn@1`"),
        (2, False, r"it failed the gate \(recall: only 88\.00% of the 5s are classified correctly; champion: "),
    ):
        source = make_version(tmp_path / "build", f"cnn@{version}", passed)
        with pytest.raises(ModelError, match=rf"cnn@{version} is not published: {reason}"):
            publish(source, tmp_path / "models")
    assert not (tmp_path / "models").exists()


def test_a_report_about_other_files_does_not_count(tmp_path: Path) -> None:
    source = make_version(tmp_path / "build", "cnn@2")
    report.write(source.directory / report.REPORT, judged(True, {"model.keras": "0" * 64}).encode())
    with pytest.raises(ModelError, match=r"its report\.json is about other files: judge it again"):
        publish(source, tmp_path / "models")


def test_a_forced_version_has_the_reason_on_its_card(tmp_path: Path) -> None:
    source = make_version(tmp_path / "build", "cnn@2", passed=False)
    published = publish(source, tmp_path / "models", "the baseline to compare with")
    forced = published.card.pop("forced")
    assert forced["reason"] == "the baseline to compare with"
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", forced["at"])
    assert published.card == source.card
    assert "forced" not in json.loads((source.directory / "model.json").read_text())


def test_force_is_not_recorded_for_a_version_that_has_passed(tmp_path: Path) -> None:
    source = make_version(tmp_path / "build", "cnn@2", passed=True)
    assert publish(source, tmp_path / "models", "to be safe").card == source.card


def test_a_damaged_file_is_refused_even_by_force(tmp_path: Path) -> None:
    source = make_version(tmp_path / "build", "cnn@2", passed=True)
    (source.directory / "model.tflite").write_text("other")
    with pytest.raises(ModelError, match=r"cnn@2 is not published: model\.tflite is damaged"):
        publish(source, tmp_path / "models", "all the same")
    assert not (tmp_path / "models").exists()


def test_an_existing_version_is_not_replaced(tmp_path: Path) -> None:
    make_version(tmp_path / "models", "cnn@2", floor=0.9)
    source = make_version(tmp_path / "build", "cnn@2", passed=True)
    with pytest.raises(ModelError, match="cnn/2 exists"):
        publish(source, tmp_path / "models", "all the same")
    assert registry.load_version(tmp_path / "models", "cnn@2").card["floor"] == 0.9


@pytest.mark.parametrize("options", [["--force"], ["--reason", "why"], ["--force", "--reason", " "]])
def test_force_and_reason_go_together(options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_version(tmp_path / "build", "cnn@2", passed=False)
    folders = ["--from", str(tmp_path / "build"), "--models-dir", str(tmp_path / "models")]
    assert main(["publish", "cnn@2", *folders, *options]) == 1
    assert "reason" in capsys.readouterr().err
    assert not (tmp_path / "models").exists()


def test_the_command_prints_whether_the_version_passed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_version(tmp_path / "build", "cnn@1", passed=True)
    make_version(tmp_path / "build", "cnn@2", passed=False)
    folders = ["--from", str(tmp_path / "build"), "--models-dir", str(tmp_path / "models")]
    assert main(["publish", "cnn@1", *folders]) == 0
    assert capsys.readouterr().out == f"Wrote {tmp_path}/models/cnn/1: it has passed the gate\n"
    assert main(["publish", "cnn@2", *folders, "--force", "--reason", "baseline"]) == 0
    assert ": forced, although it failed the gate (recall: " in capsys.readouterr().out
