import json
import subprocess
from dataclasses import asdict
from pathlib import Path

import pytest

from api.versions.quality import judge
from shared.errors import ModelError
from tests.support.processes import ROOT
from tests.training.qa.reports import judged, make_version
from training.qa.report import report


def test_a_report_starts_with_the_model_and_the_result() -> None:
    failed = judged(passed=False)
    text = failed.encode()
    assert text.startswith('{\n "model": "cnn@2",\n "passed": false,\n "failures": [')
    fields = json.loads(text)
    assert fields.pop("failures")[0] == "recall: only 88.00% of the 5s are classified correctly"
    assert fields == {"passed": False, **json.loads(json.dumps(asdict(failed)))}
    assert [check.name for check in failed.failed] == ["recall", "champion", "champion by class"]
    assert judged(passed=True).passed


def test_the_api_reads_what_the_gate_writes(tmp_path: Path) -> None:
    for passed in (True, False):
        version = make_version(tmp_path, f"cnn@{passed + 1}", passed)
        found = judge((version.directory / report.REPORT).read_bytes(), version.card)
        assert (found.passed, len(found.failures)) == (passed, 0 if passed else 3)


def test_a_report_has_a_line_per_check() -> None:
    text = judged(passed=True).encode()
    assert '\n  { "name": "files", "passed": true, "sentence": "all <whole>", "measured": null,' in text
    assert len(text.splitlines()) < 150


def test_writing_replaces_the_report_and_leaves_no_other_file(tmp_path: Path) -> None:
    for passed in (True, False):
        report.write(tmp_path / report.REPORT, judged(passed).encode())
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]
    found = report.read(tmp_path)
    assert found is not None
    assert found["passed"] is False


def test_a_version_without_a_report_has_none(tmp_path: Path) -> None:
    assert report.read(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"passed": "yes"}'])
def test_a_file_that_is_not_a_report_is_named_in_the_error(text: str, tmp_path: Path) -> None:
    (tmp_path / report.REPORT).write_text(text)
    with pytest.raises(ModelError, match=r"report\.json"):
        report.read(tmp_path)


def test_a_report_covers_only_the_files_that_were_judged(tmp_path: Path) -> None:
    card = make_version(tmp_path, "cnn@2", passed=True).card
    found = report.read(tmp_path / "cnn/2")
    assert found is not None
    assert report.covers(found, card)
    assert not report.covers(found, card | {"files": card["files"] | {"model.tflite": "0" * 64}})
    assert not report.covers({"passed": True}, {})


def test_pages_with_pictures_of_mnist_cannot_be_committed() -> None:
    ignored = ["git", "check-ignore", "--no-index", "models/cnn/1/report.html", "build/report.html"]
    finished = subprocess.run(ignored, cwd=ROOT, capture_output=True, text=True, check=False)
    if finished.returncode == 128:
        pytest.skip("no git repository")
    assert finished.stdout.splitlines() == ignored[3:]
    kept = ["git", "check-ignore", "--no-index", "models/cnn/1/report.json"]
    assert subprocess.run(kept, cwd=ROOT, capture_output=True, check=False).returncode == 1
