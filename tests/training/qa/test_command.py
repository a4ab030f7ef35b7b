import json
import shutil
from pathlib import Path

import pytest

from shared.data import dataset
from shared.data.dataset import Split
from training.__main__ import main
from training.qa import gate
from training.qa.bounds import Bounds
from training.qa.report import report


def qa(registry_dir: Path, *options: str) -> int:
    return main(["qa", "cnn@2", "--models-dir", str(registry_dir), "--champion-dir", str(registry_dir), *options])


@pytest.fixture
def candidate(registry_dir: Path) -> Path:
    """cnn@2, a copy of cnn@1, which has passed."""
    passed = {"passed": True, "files": json.loads((registry_dir / "cnn/1/model.json").read_text())["files"]}
    (registry_dir / "cnn/1/report.json").write_text(json.dumps(passed))
    return shutil.copytree(registry_dir / "cnn/1", registry_dir / "cnn/2", ignore=lambda *_: {"report.json"})


def test_without_mnist_nothing_is_judged(
    candidate: Path, registry_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dataset, "find_mnist_dir", lambda setting, which: None)
    assert qa(registry_dir) == 1
    assert "make data" in capsys.readouterr().err
    assert not (candidate / report.REPORT).exists()


@pytest.mark.usefixtures("mnist")
def test_a_failure_is_written_printed_and_sets_the_exit_status(
    candidate: Path, registry_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (candidate / "model.keras").write_bytes(b"other")
    assert qa(registry_dir) == 1
    printed = capsys.readouterr()
    assert "cnn@2 failed 1 of 1 checks, compared with cnn@1" in printed.out
    assert "files: model.keras is damaged: its hash is not the one on the card" in printed.out
    assert printed.err.endswith("qa: cnn@2 failed: files\n")
    found = report.read(candidate)
    assert found is not None
    assert (found["model"], found["passed"], found["champion"]) == ("cnn@2", False, "cnn@1")
    assert "model.keras is damaged" in (candidate / report.PAGE).read_text()


@pytest.mark.usefixtures("mnist")
def test_options_set_the_bounds_the_champion_and_the_page(
    candidate: Path, registry_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, object] = {}

    def judge(version: object, champion: object, test: object, limits: object, *rest: object) -> report.Report:
        seen.update(champion=champion, limits=limits)
        return report.Report("cnn@2", None, "litert", "mnist", "", 0.0, {}, [])

    monkeypatch.setattr(gate, "judge", judge)
    (candidate / report.PAGE).write_text("an older page")
    page = tmp_path / "deep/page.html"
    options = ("--floor", "0.9", "--champion", "none", "--allow-slower", "--memory-mib", "99", "--html", str(page))
    assert qa(registry_dir, *options) == 0
    assert seen == {"champion": None, "limits": Bounds(floor=0.9, throughput=None, memory_mib=99)}
    assert page.is_file()
    assert not (candidate / report.PAGE).exists()


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_version_of_equal_quality_passes(
    candidate: Path, registry_dir: Path, mnist: Split, capsys: pytest.CaptureFixture[str]
) -> None:
    """The option `--json` prints only the report to stdout."""
    assert qa(registry_dir, "--json", "--allow-slower") == 0
    printed = capsys.readouterr()
    judged = json.loads(printed.out)
    assert judged == report.read(candidate)
    assert (judged["passed"], judged["champion"], judged["dataset"]) == (True, "cnn@1", "mnist")
    assert judged["reading"]["images"] == len(mnist.labels)
    assert judged["reading"] == judged["champion_reading"]
    checks = {check["name"]: check for check in judged["checks"]}
    assert checks["champion"]["measured"] == 1.0
    assert (judged["gained"], judged["lost"]) == ([], [])
    assert len(checks) == 20
    assert "loading cnn@2\n" in printed.err
    assert (candidate / report.PAGE).read_text().count("<img ") == 10_000 - judged["reading"]["correct"]
