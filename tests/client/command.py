"""The command line as a separate process."""

import subprocess
import sys
from pathlib import Path

from tests.support.processes import ROOT, Process, run


class Command:
    """The command `mnistified` in the folder `cwd`, with the service at `url`."""

    def __init__(self, url: str, cwd: Path) -> None:
        self.cwd = cwd
        self.environ = {"MNISTIFIED_URL": url, "PYTHONPATH": str(ROOT / "client")}
        self.words = [sys.executable, "-m", "mnistified"]

    def __call__(self, *words: object, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return run([*self.words, *(str(word) for word in words)], self.environ, self.cwd, stdin)

    def start(self, *words: object) -> Process:
        return Process([*self.words, *(str(word) for word in words)], self.environ, self.cwd)
