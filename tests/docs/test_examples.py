"""The examples in the documents print what the documents show: each of them is run against one system."""

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from deploy.run_dir import private_dir, write_private
from shared.data.dataset import Split
from tests.support.examples import blocks, environ, run_script, run_sessions, scripts
from tests.support.processes import ROOT, Process
from tests.support.system import READY_S, System

SESSIONS = (
    "README.md",
    "docs/start.md",
    "docs/bulk.md",
    "docs/command-line.md",
    "docs/compat.md",
    "docs/logs-and-traces.md",
    "docs/operating.md",
    "docs/retraining.md",
)
SCRIPTS = ("docs/start.md", "docs/client.md", "docs/celery.md", "docs/compat.md")


@pytest.fixture
def folder(mnist: Split, tmp_path: Path, system: System) -> Path:
    """Return the reader's working folder: an image, a folder of images, and the address of Redis from `make run`."""
    write_private(private_dir(tmp_path / ".run") / "redis-url", system.redis_url)
    (tmp_path / "digits").mkdir()
    names = {"7.png": 7, "digits/1.png": 1, "digits/2.png": 2, "digits/3.png": 3}
    for name, index in names.items():
        Image.fromarray(mnist.images[index]).save(tmp_path / name)
    paper = Image.new("L", (640, 480), 255)
    paper.paste(Image.fromarray(255 - mnist.images[7]).resize((280, 280)), (200, 90))
    paper.save(tmp_path / "photo.jpg")
    return tmp_path


@pytest.fixture(scope="module")
def celery_worker(system: System) -> Iterator[Process]:
    """Start the worker for Celery tasks with the command in docs/celery.md."""
    command, image = blocks("docs/celery.md", "sh")
    assert "mnistified dataset 7 --out 7.png" in image, "the folder of the reader has it"
    process = Process(shlex.split(command), environ(system) | {"REDIS_URL": system.redis_url, "DOOR_URL": system.url})
    process.wait_for_line(" ready.", READY_S)
    yield process
    process.stop()


@pytest.mark.slow
@pytest.mark.parametrize("document", SESSIONS)
def test_the_commands_of_a_document_print_what_it_says(document: str, system: System, folder: Path) -> None:
    assert blocks(document, "console")
    run_sessions(document, system, folder)


@pytest.mark.long
@pytest.mark.timeout(300)
def test_the_gate_runs_as_a_task_as_documented(system: System, folder: Path, tmp_path: Path) -> None:
    models = shutil.copytree(ROOT / "models" / "cnn", tmp_path / "models" / "cnn").parent
    system.start_trainer({"MODELS_DIR": str(models), "TRAINER_DIR": str(tmp_path / "trainings")})
    (script,) = scripts("docs/retraining.md")
    printed = run_script(script, system, folder, timeout_s=240)
    assert re.match(r"(True|False) \[", printed)


@pytest.mark.slow
@pytest.mark.usefixtures("celery_worker")
@pytest.mark.parametrize("document", SCRIPTS)
def test_the_scripts_of_a_document_print_what_it_says(document: str, system: System, folder: Path) -> None:
    assert scripts(document)
    for script in scripts(document):
        run_script(script, system, folder)
