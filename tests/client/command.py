"""The command line as a separate process."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.processes import ROOT, Process


class Command:
    """The command `mnistified` in the folder `cwd`, with the service at `url`."""

    def __init__(self, url: str, cwd: Path) -> None:
        self.cwd = cwd
        self.environ = {"MNISTIFIED_URL": url, "PYTHONPATH": str(ROOT / "client")}
        self.words = [sys.executable, "-m", "mnistified"]

    def __call__(self, *words: object, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [*self.words, *(str(word) for word in words)],
            cwd=self.cwd,
            env={**os.environ, **self.environ},
            input=stdin,
            capture_output=True,
            timeout=50,
        )

    def start(self, *words: object) -> Process:
        return Process([*self.words, *(str(word) for word in words)], self.environ, self.cwd)
