"""`python -m benchmarks.folder`: upload a folder of PNG files by one command, and a zip of the same files.

The command runs on a terminal, as it does for a person, and draws its progress bars. Its time is that of its process.
The zip exists before. Its time is from the first byte of the request to the job's final state. Both run in turn on one
service.
"""

import argparse
import os
import pty
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.load.inputs import Inputs, load_test_set, to_png, to_zip
from benchmarks.measure.bulk import ZIP, finish_job, submit, warm_up
from benchmarks.system.machine import describe_machine
from benchmarks.system.processes import ROOT, BenchmarkError
from benchmarks.system.service import Service, running
from mnistified import MnistifiedError

READ_BYTES = 65536


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.folder", description=__doc__)
    parser.add_argument("--images", type=int, default=10_000, help="files in the folder (default: 10000)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of both (default: 5)")
    arguments = parser.parse_args()
    split = load_test_set()
    pngs = [to_png(split.images[index % len(split.images)]) for index in range(arguments.images)]
    with tempfile.TemporaryDirectory(prefix="bench-folder-") as name, running(Path(".bench/logs/folder")) as service:
        folder = Path(name, "digits")
        folder.mkdir()
        for index, png in enumerate(pngs):
            (folder / f"{index:06}.png").write_bytes(png)
        archive = to_zip(pngs)
        warm_up(service, Inputs(split.name, split.images, np.empty(0, np.float32), [], []))
        rounds = [
            (time_zip(service, archive, len(pngs)), time_folder(service, folder, len(pngs)))
            for _ in range(arguments.rounds)
        ]
    print(" ".join(f"{key}={value}" for key, value in describe_machine().items()))
    for zip_s, folder_s in rounds:
        print(f"zip {zip_s:6.2f} s   folder {folder_s:6.2f} s   ratio {folder_s / zip_s:5.2f}")
    print(f"{len(pngs):,} PNG files, median ratio {median(folder_s / zip_s for zip_s, folder_s in rounds):.2f}")


def time_zip(service: Service, archive: bytes, images: int) -> float:
    start_s = time.perf_counter()
    finish_job(submit(service.client, archive, ZIP), images)
    return time.perf_counter() - start_s


def time_folder(service: Service, folder: Path, images: int) -> float:
    """Return the seconds. Raises BenchmarkError unless each image has a row and the bars were drawn."""
    out = folder.with_name("results.csv")
    command = [sys.executable, "-m", "mnistified", "bulk", str(folder), "--out", str(out)]
    url = f"http://127.0.0.1:{service.port}"
    environ = {**os.environ, "MNISTIFIED_URL": url, "PYTHONPATH": str(ROOT / "client")}
    start_s = time.perf_counter()
    shown = on_a_terminal(command, environ)
    seconds = time.perf_counter() - start_s
    rows = len(out.read_text().splitlines()) - 1
    if rows != images or b"results:" not in shown:
        raise BenchmarkError(f"{rows} rows of {images}: {shown.decode(errors='replace')}")
    return seconds


def on_a_terminal(command: list[str], environ: dict[str, str]) -> bytes:
    """Run the command on a terminal and return its output. Raises BenchmarkError if the command fails."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))  # without a size, no bar has room
    with subprocess.Popen(command, env=environ, stdout=theirs, stderr=theirs) as process:  # noqa: S603  # our own command
        os.close(theirs)
        shown = b""
        try:
            while data := os.read(ours, READ_BYTES):
                shown += data
        except OSError:
            pass  # on Linux: the other end is closed
        os.close(ours)
    if process.returncode:
        raise BenchmarkError(
            f"{' '.join(command[:4])} ended with {process.returncode}: {shown.decode(errors='replace')}"
        )
    return shown


if __name__ == "__main__":
    try:
        main()
    except (BenchmarkError, MnistifiedError) as error:
        sys.exit(f"folder: {error}")
