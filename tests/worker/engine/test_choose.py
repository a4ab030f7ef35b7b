"""The choice of the runtime, and what a worker imports for it."""

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from shared.config import engine as installed
from shared.errors import SettingError
from tests.support.processes import ROOT
from worker.engine import choose
from worker.engine.choose import choose_kind


@pytest.fixture
def on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that says which backends are installed, and which of them see a GPU."""

    def arrange(backends: list[str], seeing: list[str], device: bool = True) -> None:
        monkeypatch.setattr(installed, "find_spec", lambda name: name in ["keras", *backends] or None)
        monkeypatch.setattr(choose, "sees_gpu", lambda kind: kind in seeing)
        monkeypatch.setattr(choose, "_nvidia_device", lambda: device)

    return arrange


@pytest.mark.parametrize(
    ("setting", "backends", "seeing", "kind"),
    [
        ("auto", ["jax", "tensorflow"], [], "litert"),
        ("auto", [], [], "litert"),
        ("auto", ["jax", "tensorflow"], ["jax", "tensorflow"], "jax"),
        ("auto", ["jax", "tensorflow"], ["tensorflow"], "tensorflow"),
        ("keras", ["jax", "tensorflow"], ["tensorflow"], "tensorflow"),
        ("keras", ["jax", "tensorflow"], [], "jax"),
        ("keras", ["tensorflow"], [], "tensorflow"),
        ("litert", ["jax"], ["jax"], "litert"),
        ("tensorflow", ["jax", "tensorflow"], ["jax"], "tensorflow"),
        ("jax", ["jax", "tensorflow"], [], "jax"),
    ],
)
def test_auto_and_keras_prefer_the_backend_that_sees_a_gpu(
    on_a_gpu: Callable[..., None], setting: str, backends: list[str], seeing: list[str], kind: str
) -> None:
    on_a_gpu(backends, seeing)
    assert choose_kind(setting) == kind


def test_no_library_is_imported_if_there_is_no_device(on_a_gpu: Callable[..., None]) -> None:
    on_a_gpu(["jax", "tensorflow"], ["jax", "tensorflow"], device=False)
    assert choose_kind("auto") == "litert"
    assert choose_kind("keras") == "jax"


@pytest.mark.parametrize(("setting", "backends"), [("keras", []), ("jax", ["tensorflow"]), ("tensorflow", ["jax"])])
def test_a_library_that_is_not_installed_is_refused(
    on_a_gpu: Callable[..., None], setting: str, backends: list[str]
) -> None:
    on_a_gpu(backends, [])
    with pytest.raises(SettingError, match=f"ENGINE='{setting}': .* installed.*; pip install .*, or use litert"):
        choose_kind(setting)


def test_choosing_litert_imports_neither_jax_nor_tensorflow() -> None:
    """Even if the machine has a GPU: without a plugin, JAX cannot see it."""
    assert imported_by("choose_kind('auto'); sees_gpu('jax')", CUDA_VISIBLE_DEVICES="") == []


def imported_by(code: str, **environ: str) -> list[str]:
    """Return what `code` prints, and which of the libraries a new interpreter has imported then."""
    script = f"""
import os, sys
from worker.engine.choose import choose_kind, sees_gpu
{code}
print(*sorted({{"jax", "keras", "tensorflow"}} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env={**os.environ, **environ}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()
