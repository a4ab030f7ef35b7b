"""The layout holds: imports point one way, and the API needs no TensorFlow."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import ROOT

ALLOWED = {
    "shared": {"shared"},
    "api": {"api", "shared"},
    "worker": {"worker", "shared"},
    "training": {"training", "shared"},
    "deploy": {"deploy", "shared"},
    "benchmarks": {"benchmarks", "api", "worker", "deploy", "shared"},
}
# The gate judges what serves, so it loads the model as serving does.
GATE = (("training/evaluate.py", "training/qa/"), "worker.engine")


def imported_modules(file: Path) -> set[str]:
    modules: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return modules


@pytest.mark.parametrize("package", ALLOWED)
def test_imports_point_one_way(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    for file in files:
        name = str(file.relative_to(ROOT))
        wrong = {
            module
            for module in imported_modules(file)
            if module.partition(".")[0] in ALLOWED.keys() - ALLOWED[package]
            and not (name.startswith(GATE[0]) and module.startswith(GATE[1]))
        }
        assert not wrong, f"{name} imports {wrong}"


def test_a_file_in_shared_is_imported_by_two_others() -> None:
    """Directly, or through another file of shared/ that is."""
    importers: dict[str, set[str]] = {}
    for package in ALLOWED:
        for file in (ROOT / package).rglob("*.py"):
            for module in imported_modules(file):
                importers.setdefault(module, set()).add(package)
    lonely = {
        file.name
        for file in (ROOT / "shared").glob("*.py")
        if file.stem != "__init__" and not is_shared(importers.get(f"shared.{file.stem}", set()))
    }
    assert lonely == set()


def is_shared(packages: set[str]) -> bool:
    return len(packages) >= 2 or packages == {"shared"}


def test_the_api_imports_neither_an_engine_nor_celery() -> None:
    assert loaded_by("api.app", {"tensorflow", "ai_edge_litert", "celery", "worker"}) == set()


def test_importing_the_celery_application_loads_no_engine() -> None:
    """Flower and `celery inspect` import it too."""
    assert loaded_by("worker.app", {"tensorflow", "ai_edge_litert"}) == set()
    assert loaded_by("worker.trainer", {"tensorflow", "ai_edge_litert", "training"}) == set()


def loaded_by(module: str, candidates: set[str]) -> set[str]:
    """Which of `candidates` a fresh interpreter has loaded after importing `module`."""
    command = [sys.executable, "-c", f"import sys, {module}; print(*sys.modules)"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return candidates & set(told.stdout.split())
