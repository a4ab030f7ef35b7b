"""`python -m benchmarks.installed`: install the wheel, run `mnistified serve`, classify a digit, and time each step.

Each Python runs in an empty folder with a fresh environment. The dependencies come from the package registry or from
pip's cache.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.load.http_call import call
from benchmarks.system.machine import describe_machine
from benchmarks.system.processes import ROOT, BenchmarkError, Process
from deploy.processes import free_port

READY_S = 120.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.installed", description=__doc__)
    parser.add_argument("--python", action="append", help="an interpreter; repeatable (default: this one)")
    arguments = parser.parse_args()
    print(f"# {describe_machine()}")
    with tempfile.TemporaryDirectory(prefix="bench-installed-") as name:
        wheel = build_wheel(Path(name, "dist"))
        for python in arguments.python or [sys.executable]:
            folder = Path(name, "run")
            folder.mkdir()
            transcript(python, wheel, folder)
            shutil.rmtree(folder)


def build_wheel(out: Path) -> Path:
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603  # our own command
    (wheel,) = out.glob("*.whl")
    return wheel


def transcript(python: str, wheel: Path, folder: Path) -> None:
    """Print each command, its output and its time. Raises BenchmarkError if a command fails."""
    port = free_port()
    here = folder / "empty"
    here.mkdir()
    programs = folder / "venv" / "bin"
    environ = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "HOME": str(folder),
        "PIP_CACHE_DIR": os.environ.get("PIP_CACHE_DIR", str(Path.home() / ".cache" / "pip")),
        **{name: value for name, value in os.environ.items() if name.startswith("PIP_")},
        "API_PORT": str(port),
        "FLOWER_PORT": str(free_port()),
        "MNISTIFIED_URL": f"http://127.0.0.1:{port}",
    }
    timed([python, "-m", "venv", str(folder / "venv")], environ, here, shown="python -m venv venv")
    install = ["pip", "install", "--quiet", "--disable-pip-version-check", str(wheel)]
    timed(install, environ, here, shown=f"pip install {wheel.name}")
    timed(["python", "--version"], environ, here)
    start_s = time.perf_counter()
    with Process("serve", [str(programs / "mnistified"), "serve"], environ, folder) as server:
        server.wait_until(lambda: is_ready(port), READY_S)
        print(f"$ mnistified serve &\n# ready after {time.perf_counter() - start_s:.1f} s")
        timed(["mnistified", "dataset", "7", "--out", "7.png"], environ, here)
        timed(["mnistified", "classify", "7.png"], environ, here)


def timed(command: Sequence[str], environ: Mapping[str, str], cwd: Path, shown: str = "") -> None:
    start_s = time.perf_counter()
    program = shutil.which(command[0], path=environ["PATH"]) or command[0]
    done = subprocess.run(  # noqa: S603  # our own command
        [program, *command[1:]], env=dict(environ), cwd=cwd, capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - start_s
    if done.returncode:
        raise BenchmarkError(f"{' '.join(command)} ended with {done.returncode}: {done.stdout}{done.stderr}")
    print(f"$ {shown or ' '.join(command)}\n{done.stdout}# {seconds:.1f} s", flush=True)


def is_ready(port: int) -> bool:
    try:
        return call(port, "GET", "/readyz", timeout_s=5)[0] == 200
    except OSError:
        return False


if __name__ == "__main__":
    try:
        main()
    except BenchmarkError as error:
        sys.exit(f"installed: {error}")
