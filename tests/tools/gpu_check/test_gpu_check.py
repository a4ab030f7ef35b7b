"""The whole check, on JAX's CPU backend."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import ROOT


def gpu_check(*words: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "tools.gpu_check", *words]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **environ}, capture_output=True, text=True, timeout=280)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(300)
def test_it_runs_the_whole_service_with_jax_and_compares_it_with_litert(tmp_path: Path) -> None:
    options = "--engine jax --sizes 1,4 --jobs 500 --seconds 0.5 --images 50 --models cnn-small@2"
    done = gpu_check(*options.split(), DEFAULT_MODEL="cnn-small@2", MAX_BATCH_IMAGES="4", TMPDIR=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "no GPU: jax runs on the CPU" in done.stdout
    assert re.search(r"^\| cnn-small@2, model.keras \| 4 \|", done.stdout, re.MULTILINE)
    assert "The worker runs cnn-small@2 in batches of " in done.stdout
    assert re.search(r"^\| 500 \| [\d,.]+ \|", done.stdout, re.MULTILINE)
    assert re.search(r"^\| 64 \| .* \| 0 \|$", done.stdout, re.MULTILINE)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_an_engine_without_a_backend_is_refused() -> None:
    done = gpu_check("--engine", "litert")
    assert done.returncode == 2
    assert "invalid choice: 'litert'" in done.stderr
