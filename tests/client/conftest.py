"""Images that clients send, and the command line."""

from pathlib import Path

import pytest

from shared.data.dataset import Split
from tests.client.command import Command
from tests.support.system import System
from tests.support.uploads import image_file

FOLDER_IMAGES = 300


@pytest.fixture(scope="session")
def pngs(test_set: Split) -> list[bytes]:
    """The first test images as PNG files."""
    return [image_file(image) for image in test_set.images[:200]]


@pytest.fixture(scope="session")
def folder(pngs: list[bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with FOLDER_IMAGES pictures, some in a subfolder, and with other files."""
    top = tmp_path_factory.mktemp("digits")
    (top / "more").mkdir()
    for index in range(FOLDER_IMAGES):
        name = f"{index:03}.png" if index < 200 else f"more/{index:03}.PNG"
        (top / name).write_bytes(pngs[index % len(pngs)])
    (top / "README.txt").write_text("no picture")
    (top / ".hidden.png").write_bytes(b"no picture")
    return top


@pytest.fixture
def mnistified(system: System, tmp_path: Path) -> Command:
    """The command line, connected to the running system."""
    return Command(system.url, tmp_path)
