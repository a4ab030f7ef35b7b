"""The `data` command."""

import os
from argparse import Namespace

from shared.config.settings import load_settings
from shared.data.dataset import SHA256
from shared.data.download import fetch


def run(options: Namespace, command: str) -> None:
    """Download MNIST into `--dir`. Raises DatasetError like `fetch`."""
    fetch(options.dir, load_settings(os.environ).mnist_mirrors.split(), SHA256)
    print(f"{options.dir} holds MNIST: {len(SHA256)} files, all as published")
