"""Answers of the wrong version are counted; both versions are copies of one."""

from pathlib import Path

from benchmarks.measure.switch import NEW, OLD, Answer, Change, make_registry, misnamed
from shared.models import registry

CHANGES = [Change(0.0, 1.0, OLD), Change(5.0, 6.0, NEW)]


def test_between_two_changes_only_one_version_is_right() -> None:
    assert misnamed([Answer(1.5, 2.0, "cnn@1"), Answer(6.5, 7.0, "cnn@2")], CHANGES) == 0
    assert misnamed([Answer(1.5, 2.0, "cnn@2"), Answer(6.5, 7.0, "cnn@1"), Answer(6.5, 7.0, "other@2")], CHANGES) == 3


def test_during_a_change_both_versions_are_right_and_failures_do_not_count() -> None:
    answers = [Answer(4.0, 5.5, "cnn@1"), Answer(4.0, 5.5, "cnn@2"), Answer(5.5, 6.5, "cnn@1"), Answer(7.0, 8.0, "")]
    assert misnamed(answers, CHANGES) == 0


def test_both_versions_are_the_newest_one_and_have_passed_the_gate(tmp_path: Path) -> None:
    make_registry(tmp_path)
    assert registry.list_models(tmp_path) == {"cnn": [OLD, NEW]}
    one, two = (registry.load_version(tmp_path, f"cnn@{version}") for version in (OLD, NEW))
    assert one.card["files"] == two.card["files"]
    assert all((version.directory / "report.json").is_file() for version in (one, two))
