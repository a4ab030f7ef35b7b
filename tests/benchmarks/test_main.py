"""The command, from start to report, on the real service."""

import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from tests.support.processes import ROOT


def benchmarks(*words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "benchmarks", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=170)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_quick_run_measures_and_reports(tmp_path: Path) -> None:
    done = benchmarks("--quick", "--rounds", "1", "--sections", "ceiling,bulk,single", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "## Ratios" in done.stdout
    assert "missed" not in next(line for line in done.stdout.splitlines() if "probabilities, idx" in line)
    content = orjson.loads((tmp_path / "results.json").read_bytes())
    measured = content["rounds"][0]
    assert measured["ceiling"]["images_per_s"] > 0
    assert [job["images"] for job in measured["bulk"]] == [1000, 2000]
    assert [single["load"]["connections"] for single in measured["single"]] == [1, 16]
    assert all(single["load"]["failed"] == 0 for single in measured["single"])
    assert (tmp_path / "report.md").read_text() == done.stdout.removesuffix("\n")
    assert (tmp_path / "time-per-request.svg").read_text().startswith("<svg")


@pytest.mark.slow
def test_an_unknown_section_is_refused_by_name() -> None:
    done = benchmarks("--sections", "bulk,speed")
    assert done.returncode == 2
    assert "no section speed" in done.stderr


@pytest.mark.long
@pytest.mark.slow
def test_a_promotion_and_a_canary_are_measured_on_request(tmp_path: Path) -> None:
    done = benchmarks("--quick", "--rounds", "1", "--sections", "switch", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "## A promotion and a rollback under load" in done.stdout
    switch = orjson.loads((tmp_path / "results.json").read_bytes())["rounds"][0]["switch"]
    assert (switch["changes"], switch["failed"], switch["misnamed"]) == (4, 0, 0)
    assert switch["requests"] > 0
    assert switch["canary_requests"] > 0
