"""The packages as `pip install` gets them: their files, and the service that they start."""

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.processes import free_port
from tests.support.processes import ROOT, Process

CLIENT = ROOT / "client"
SOURCES = {name: ROOT / name for name in ("api", "worker", "shared", "training", "deploy")}
NOT_COPIED = {
    ROOT: {"tests", "tools", "benchmarks", "docs", "build", "dist"},
    ROOT / "models": {"cnn-accurate", "seed"},
    ROOT / "models" / "cnn": {"3", "4"},
}
SERVED = ("cnn", "cnn-small", "number")  # folders in models/
FOR_OPERATORS = ("compose", "grafana", "kubernetes", "nginx", "prometheus")  # folders in deploy/ that are in no package
CELERY = "#!{python}\nfrom celery.__main__ import main\nmain()\n"


def build(project: Path, out: Path) -> Path:
    """Build the wheel from the source distribution, so that it has no files of an earlier build."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(project)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = out.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the project without its large models, which take seconds to compress."""

    def ignored(folder: str, names: list[str]) -> list[str]:
        left_out = NOT_COPIED.get(Path(folder), set()) | {"__pycache__"}
        return [name for name in names if name in left_out or name.startswith(".")]

    copy = shutil.copytree(ROOT, tmp_path_factory.mktemp("source") / "project", ignore=ignored)
    return Path(copy)


@pytest.fixture(scope="module")
def wheel(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(project, tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def client_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(CLIENT, tmp_path_factory.mktemp("dist"))


def files_of(folder: Path, within: str) -> set[str]:
    found = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {f"{within}/{path.relative_to(folder)}" for path in found}


def members(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


@pytest.mark.slow
def test_the_wheel_has_every_file_of_its_packages_and_the_served_models(project: Path, wheel: Path) -> None:
    expected = files_of(CLIENT / "mnistified", "mnistified")
    for name, folder in SOURCES.items():
        expected |= files_of(folder, name)
    expected = {name for name in expected if not name.startswith(tuple(f"deploy/{each}/" for each in FOR_OPERATORS))}
    for model in SERVED:
        models = files_of(project / "models" / model, f"deploy/models/{model}")
        expected |= {name for name in models if name.endswith((".json", ".tflite", ".keras"))}
    assert members(wheel) == expected


@pytest.mark.slow
def test_the_clients_wheel_contains_only_the_client(client_wheel: Path) -> None:
    assert members(client_wheel) == files_of(CLIENT / "mnistified", "mnistified")


@pytest.mark.slow
def test_both_wheels_carry_the_license(wheel: Path, client_wheel: Path) -> None:
    for path in (wheel, client_wheel):
        with zipfile.ZipFile(path) as archive:
            (license_file,) = (name for name in archive.namelist() if name.endswith("/licenses/LICENSE"))
            (metadata,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
            assert archive.read(license_file) == (ROOT / "LICENSE").read_bytes()
            assert b"License-Expression: Apache-2.0\n" in archive.read(metadata)


def test_both_packages_have_the_same_version_because_both_contain_the_client() -> None:
    projects = [tomllib.loads((path / "pyproject.toml").read_text())["project"] for path in (ROOT, CLIENT)]
    assert projects[0]["version"] == projects[1]["version"]
    assert projects[0]["scripts"] == projects[1]["scripts"]
    assert projects[0]["license"] == projects[1]["license"]
    assert projects[0]["requires-python"].startswith(f"{projects[1]['requires-python']},")  # internals.md: the cap


@pytest.fixture
def installed(wheel: Path, tmp_path: Path) -> Path:
    """Return `bin/` of an environment with the wheel. It uses the dependencies of the current environment."""
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv" / "bin" / "python"
    install = ["install", "--no-deps", "--no-index", "--disable-pip-version-check", str(wheel)]
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}  # may have the same package
    command = [sys.executable, "-m", "pip", "--python", str(python), *install]
    subprocess.run(command, env=environ, check=True, capture_output=True)
    (site_packages,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    (site_packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    celery = python.parent / "celery"
    celery.write_text(CELERY.format(python=python))
    celery.chmod(0o755)
    return python.parent


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    folder = tmp_path / "empty"
    folder.mkdir()
    return folder


@pytest.fixture
def served(installed: Path, empty: Path, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Run `mnistified serve` in an empty folder. Yield the environment variables of its clients."""
    port = free_port()
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "PYTHONPATH": "",  # a developer's may name this repository
        "API_PORT": str(port),
        "FLOWER_PORT": str(free_port()),
        "MNISTIFIED_URL": f"http://127.0.0.1:{port}",
        "MAX_BATCH_IMAGES": "32",  # a worker starts sooner
    }
    process = Process([str(installed / "mnistified"), "serve"], environ, cwd=empty)
    try:
        process.wait_for_line("MNISTified is ready (1 worker)", timeout_s=60)
        yield environ
    finally:
        process.signal(signal.SIGINT)
        status = process.wait(timeout_s=60)
    assert status == 0, process.output


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_the_installed_wheel_serves_and_classifies_from_an_empty_folder(
    installed: Path, served: dict[str, str], empty: Path, tmp_path: Path
) -> None:
    def mnistified(*words: str) -> str:
        told = subprocess.run(
            [str(installed / "mnistified"), *words], cwd=empty, env=served, capture_output=True, text=True, timeout=60
        )
        assert told.returncode == 0, told.stderr
        return told.stdout

    assert mnistified("dataset", "7", "--out", "7.png") == "test image 7 of sample: 9\n"
    assert mnistified("classify", "7.png").startswith("7.png: 9 (")
    assert [path.name for path in empty.iterdir()] == ["7.png"]
    home = tmp_path / ".local" / "share" / "mnistified"
    assert {path.name for path in home.iterdir()} == {".run", "models"}
    (package,) = installed.parent.glob("lib/python*/site-packages/deploy")
    assert {path.name for path in (package / "models").iterdir()} == set(SERVED)
    code = f"import deploy, sys; sys.exit(deploy.__path__[0] != {str(package)!r})"
    subprocess.run([str(installed / "python"), "-c", code], cwd=empty, env=served, check=True)
