"""`python -m tools.pictures.first_minute`: time a stranger's first minute: clone, `make run`, open the page, draw a 7.

The packages come from pip's registry. With `--keep-cache`, pip may use earlier downloads.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from deploy.processes import free_port
from tests.browser.acts import SEVEN, draw, expect_read
from tests.browser.chromium import find_chromium, launched
from tests.support.processes import ROOT, Process

READY_S = 300
POLL_S = 0.1


class Steps:
    """Print the seconds of each step and the total."""

    def __init__(self) -> None:
        self._started_s = self._last_s = time.monotonic()

    def done(self, what: str) -> None:
        now_s = time.monotonic()
        print(f"{what:<34} {now_s - self._last_s:6.1f} s   {now_s - self._started_s:6.1f} s in all", flush=True)
        self._last_s = now_s


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.pictures.first_minute", description=__doc__)
    parser.add_argument("--keep-cache", action="store_true", help="let pip use its cache")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the service stops too
    executable = find_chromium()
    if executable is None:
        sys.exit("no Chromium: `apt-get install chromium`, or set CHROMIUM")
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder) / "mnistified", executable, arguments.keep_cache)


def run(clone: Path, executable: Path, keep_cache: bool) -> None:
    steps = Steps()
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    steps.done("git clone")
    port = free_port()
    environ = {"API_PORT": str(port), "FLOWER_PORT": str(free_port()), "PATH": stranger_path()}
    environ |= {} if keep_cache else {"PIP_NO_CACHE_DIR": "1"}
    service = Process(["setsid", "make", "run"], environ, cwd=clone)
    try:
        wait_for_file(clone / ".venv" / ".run-installed", service)
        steps.done("make run: packages installed")
        service.wait_for_line("MNISTified is ready", READY_S)
        steps.done("make run: ready")
        with launched(executable) as browser:
            page = browser.new_page()
            page.goto(f"http://127.0.0.1:{port}/")
            page.locator("#pill-text", has_text="1 worker").wait_for()
            steps.done("the page opened, browser and all")
            draw(page, SEVEN)
            expect_read(page, 7)
            steps.done("a 7 drawn, and read as 7")
    finally:
        os.killpg(service.pid, signal.SIGINT)  # the whole session, as Ctrl-C in a terminal
        service.wait(60)


def wait_for_file(path: Path, process: Process) -> None:
    """Wait for the file that `make` creates once the packages are installed."""
    deadline_s = time.monotonic() + READY_S
    while not path.exists():
        if process.status is not None or time.monotonic() > deadline_s:
            raise AssertionError(process.output)
        time.sleep(POLL_S)


def stranger_path() -> str:
    """Return the PATH without this virtual environment."""
    return os.pathsep.join(part for part in os.environ["PATH"].split(os.pathsep) if not part.startswith(sys.prefix))


if __name__ == "__main__":
    main()
