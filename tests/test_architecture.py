"""The layout of the code: imports point one way, folders are small, and the API needs no TensorFlow."""

import ast
import functools
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support.processes import ROOT

CLIENT = ROOT / "client" / "mnistified"
# Package -> packages that its files may import. `mnistified` is the Python client.
ALLOWED = {
    "shared": {"shared"},
    "api": {"api", "shared"},
    "worker": {"worker", "shared", "mnistified"},
    "training": {"training", "shared"},
    "deploy": {"deploy", "shared", "mnistified"},
    "benchmarks": {"benchmarks", "api", "worker", "deploy", "shared", "mnistified"},
    "client/mnistified": {"mnistified"},
}
PACKAGES = {Path(folder).name for folder in ALLOWED}
# From top to bottom: a room imports only rooms that are listed after it.
ROOMS = {
    "api": "__main__ app fast routes page monitoring state versions queue uploads images http periodic metrics"
    " __init__",
    "worker": "flower app tasks control step service versions batching reporting engine celery_app"
    " threads watchdog delivery __init__",
    "shared": "models numbers data telemetry redis browser_guard callback_url config contract answers images shapes svg"
    " errors __init__",
}
MAX_ARROWS = {"api": 40, "worker": 25}
MAX_ENTRIES = 15
# Folders that may hold more: data, pages, pictures, and the root, whose file names are prescribed by tools.
EXEMPT = ("docs", "models", "api/page/assets", ".")
# The gate, the import and thresholds of cascades judge what serves, so they load the model as serving does.
GATE = (("training/combining/", "training/evaluate.py", "training/importing/", "training/qa/"), "worker.engine")


@functools.cache
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
            if module.partition(".")[0] in PACKAGES - ALLOWED[package]
            and not (name.startswith(GATE[0]) and module.startswith(GATE[1]))
        }
        assert not wrong, f"{name} imports {wrong}"


@pytest.mark.parametrize("package", ROOMS)
def test_imports_between_rooms_point_down(package: str) -> None:
    arrows = arrows_between_rooms(package)
    order = ROOMS[package].split()
    assert {room for arrow in arrows for room in arrow} <= set(order)
    upward = {arrow for arrow in arrows if order.index(arrow[0]) >= order.index(arrow[1])}
    assert upward == set()


@pytest.mark.parametrize("package", MAX_ARROWS)
def test_few_rooms_import_each_other(package: str) -> None:
    assert 0 < len(arrows_between_rooms(package)) <= MAX_ARROWS[package]


def arrows_between_rooms(package: str) -> set[tuple[str, str]]:
    """Return (importing room, imported room) pairs; a file directly in the package is a room of its own."""
    rooms = {path.stem for path in (ROOT / package).iterdir()}
    return {
        (file.relative_to(ROOT / package).parts[0].removesuffix(".py"), imported[1])
        for file in (ROOT / package).rglob("*.py")
        for imported in (module.split(".") for module in imported_modules(file))
        if imported[0] == package and len(imported) > 1 and imported[1] in rooms
        if file.relative_to(ROOT / package).parts[0].removesuffix(".py") != imported[1]
    }


def test_a_folder_has_few_entries() -> None:
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    )
    entries: dict[str, set[str]] = {}
    for path in (Path(line) for line in listing.stdout.splitlines() if (ROOT / line).exists()):
        for parent in path.parents:
            child = path.relative_to(parent).parts[0]
            entries.setdefault(str(parent), set()).add(child)
    assert "api" in entries
    crowded = {
        folder: len(names)
        for folder, names in entries.items()
        if len(names) > MAX_ENTRIES and folder not in EXEMPT and not folder.startswith("models/")
    }
    assert crowded == {}


def test_the_wheel_has_every_package() -> None:
    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    folders = [*(ROOT / name for name in ("api", "worker", "shared", "training", "deploy")), CLIENT]
    modules = [file.parent.relative_to(folder.parent) for folder in folders for file in folder.rglob("__init__.py")]
    assert listed == {".".join(module.parts) for module in modules} | {"deploy.models"}


def test_the_client_imports_nothing_of_the_services() -> None:
    """It also imports no optional packages: NumPy and Pillow are used only if the caller has them."""
    files = sorted(CLIENT.rglob("*.py"))
    assert files
    for file in files:
        roots = {module.partition(".")[0] for module in imported_modules(file)}
        assert not roots & {*ALLOWED, "tests", "numpy", "PIL"}, f"{file.relative_to(ROOT)} imports {roots}"


def test_a_file_in_shared_is_imported_by_two_others() -> None:
    """The import can be direct, or through another file of shared/ that is imported by two."""
    importers: dict[str, set[str]] = {}
    for package in ALLOWED:
        for file in (ROOT / package).rglob("*.py"):
            for module in imported_modules(file):
                importers.setdefault(module, set()).add(package)
    lonely = {
        module
        for file in (ROOT / "shared").rglob("*.py")
        if file.stem != "__init__" and not is_shared(importers.get(module := module_of(file), set()))
    }
    assert lonely == set()


def module_of(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts)


def is_shared(packages: set[str]) -> bool:
    return len(packages) >= 2 or packages == {"shared"}


def test_the_api_imports_neither_an_engine_nor_celery() -> None:
    assert loaded_by("api.app", {"tensorflow", "jax", "keras", "ai_edge_litert", "celery", "worker"}) == set()


def test_importing_the_celery_application_loads_no_engine() -> None:
    """Flower and `celery inspect` import it too."""
    assert (
        loaded_by("worker.app, worker.tasks.trainer", {"tensorflow", "jax", "keras", "ai_edge_litert", "training"})
        == set()
    )


def test_flower_loads_no_numpy() -> None:
    """It needs none, and would keep 11 MiB more."""
    assert loaded_by("worker.flower", {"numpy"}) == set()


def loaded_by(modules: str, candidates: set[str]) -> set[str]:
    """Return the `candidates` that a new interpreter has loaded after importing `modules`."""
    command = [sys.executable, "-c", f"import sys, {modules}; print(*sys.modules)"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return candidates & set(told.stdout.split())
