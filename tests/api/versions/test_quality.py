from pathlib import Path

import orjson
import pytest

from api.versions.quality import Quality, judge, objection, read_quality
from shared.contract.model_card import ModelCard
from shared.errors import ModelError

FILES = {"model.tflite": "a" * 64}
CARD: ModelCard = {"files": FILES}
OTHER_FILES = "its report.json is about other files than its card"
SAYS_NOTHING = "its report.json does not say whether it passed"


@pytest.mark.parametrize(
    ("report", "quality"),
    [
        ({"passed": True, "files": FILES, "failures": []}, Quality(True)),
        ({"passed": False, "files": FILES, "failures": ["recall of 8"]}, Quality(False, ("recall of 8",))),
        ({"passed": False, "files": FILES, "failures": ["x" * 1000] * 30}, Quality(False, ("x" * 300,) * 20)),
        ({"passed": False, "files": FILES, "failures": "all"}, Quality(False)),
        ({"passed": False, "files": FILES}, Quality(False)),
        ({"passed": True}, Quality(False, (OTHER_FILES,))),
        ({"passed": True, "files": {"model.tflite": "b" * 64}}, Quality(False, (OTHER_FILES,))),
        ({"passed": 1}, Quality(False, (SAYS_NOTHING,))),
        ([], Quality(False, (SAYS_NOTHING,))),
    ],
)
def test_a_report_has_the_verdict_and_the_failures(report: object, quality: Quality) -> None:
    assert judge(orjson.dumps(report), CARD) == quality


def test_a_version_without_files_has_not_passed() -> None:
    assert judge(b'{"passed": true, "files": {}}', {"files": {}}) == Quality(False, (OTHER_FILES,))


def test_a_version_with_an_unreadable_report_has_not_passed() -> None:
    quality = judge(b"{", CARD)
    assert not quality.passed
    assert "cannot be read" in quality.failures[0]


@pytest.mark.parametrize(
    ("quality", "reason"),
    [
        (None, "cnn@2 has no report.json: the gate has not judged it"),
        (Quality(False, ("a", "b")), "cnn@2 has not passed the gate: a; b"),
        (Quality(False), "cnn@2 has not passed the gate: its report does not say why"),
        (Quality(True), None),
    ],
)
def test_only_a_version_that_passed_has_no_objection(quality: Quality | None, reason: str | None) -> None:
    assert objection("cnn@2", quality) == reason


def test_a_version_is_read_with_its_card_and_its_report_if_it_has_one(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"/cnn/2/model\.json is missing"):
        read_quality(tmp_path, "cnn", 2)
    folder = tmp_path / "cnn" / "2"
    folder.mkdir(parents=True)
    (folder / "model.json").write_bytes(orjson.dumps(CARD))
    assert read_quality(tmp_path, "cnn", 2) == (CARD, None)
    (folder / "report.json").write_bytes(orjson.dumps({"passed": True, "files": FILES}))
    assert read_quality(tmp_path, "cnn", 2) == (CARD, Quality(True))
