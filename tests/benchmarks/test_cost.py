"""The CPU time per request, next to that of the floor."""

import subprocess
import sys

import pytest

from tests.support.processes import ROOT


@pytest.mark.long
@pytest.mark.slow
def test_the_service_and_the_floor_are_measured_in_turn() -> None:
    command = [sys.executable, "-m", "benchmarks.cost", "--floor", "--connections", "2", "--seconds", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [line[2] for line in lines] == ["service", "floor"]
    for line in lines:
        assert line[-1] == "0", "no request failed"
        costs = dict(zip(line[-8:-2:2], map(float, line[-7:-2:2]), strict=True))
        assert list(costs) == ["redis", "api", "worker-1"]
        assert all(us > 0 for us in costs.values())
