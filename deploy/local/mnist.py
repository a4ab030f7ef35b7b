"""MNIST's test set for a service on one machine: finding it, or downloading it within a few seconds."""

import contextlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from shared.config.settings import Settings
from shared.data import download
from shared.data.dataset import find_mnist_dir
from shared.errors import DatasetError

FETCHED_MNIST = Path("data/mnist")
FETCH_LIMIT_S = 10


def find_test_images(settings: Settings, say: Callable[[str], None]) -> dict[str, str]:
    """Find or download MNIST's test set, and say which images there are. Return the settings that the programs need.

    Blocks for at most FETCH_LIMIT_S: without a network, the programs serve a drawn sample.
    """
    found = find_mnist_dir(settings.mnist_dir, "test")
    if found is None and settings.mnist_mirrors and not has_test_images(FETCHED_MNIST):
        reason = fetch_test_images(say)
        if reason:
            say(f"  Images   MNIST cannot be downloaded ({reason})")
    found = found_test_images(settings)
    say(f"  Images   {describe_images(found)}")
    return {"MNIST_DIR": str(found.absolute())} if found == FETCHED_MNIST else {}


def found_test_images(settings: Settings) -> Path | None:
    downloaded = FETCHED_MNIST if has_test_images(FETCHED_MNIST) else None
    return find_mnist_dir(settings.mnist_dir, "test") or downloaded


def describe_images(folder: Path | None) -> str:
    return f"MNIST, in {folder.absolute()}" if folder else "200 digits drawn by this project, not MNIST"


def has_test_images(folder: Path) -> bool:
    try:
        return find_mnist_dir(folder, "test") is not None
    except DatasetError:
        return False


def fetch_test_images(say: Callable[[str], None]) -> str:
    """Download the two files of MNIST's test set (1.7 MB). Return why that failed, or nothing.

    A process of its own can be ended in time, even while it resolves a name.
    """
    say("  Images   downloading MNIST's test set (1.7 MB)")
    command = [sys.executable, "-m", download.__name__, str(FETCHED_MNIST)]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_LIMIT_S, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        return f"not within {FETCH_LIMIT_S} s"
    finally:
        for folder in (FETCHED_MNIST, FETCHED_MNIST.parent):
            with contextlib.suppress(OSError):
                folder.rmdir()  # if it is empty
    return ended.stderr.strip().splitlines()[-1].strip() if ended.returncode else ""
