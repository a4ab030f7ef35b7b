"""The examples in the documents print what the documents show: each of them is run against one system."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from shared.data.dataset import Split
from tests.support.examples import blocks, environ, on_system, run_script, run_sessions, scripts
from tests.support.processes import Process
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
def folder(mnist: Split, tmp_path: Path) -> Path:
    """Return the reader's working folder, which has an image and a folder of images."""
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
    (command,) = blocks("docs/celery.md", "sh")
    process = Process(shlex.split(on_system(command, system)), environ(system) | {"DOOR_URL": system.url})
    process.wait_for_line(" ready.", READY_S)
    yield process
    process.stop()


@pytest.mark.slow
@pytest.mark.parametrize("document", SESSIONS)
def test_the_commands_of_a_document_print_what_it_says(document: str, system: System, folder: Path) -> None:
    assert blocks(document, "console")
    run_sessions(document, system, folder)


@pytest.mark.slow
@pytest.mark.usefixtures("celery_worker")
@pytest.mark.parametrize("document", SCRIPTS)
def test_the_scripts_of_a_document_print_what_it_says(document: str, system: System, folder: Path) -> None:
    assert scripts(document)
    for script in scripts(document):
        run_script(script, system, folder)
