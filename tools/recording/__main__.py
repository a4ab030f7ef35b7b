"""`python -m tools.recording`: record docs/pictures/terminal.svg again, from real commands and their real output.

The service runs on a port that is free, with drawn digits for MNIST's; 5000 is what is shown of its address.
"""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from deploy.processes import free_port
from shared.data.sample import draw
from tests.support.processes import BIN, ROOT, Process
from tools.recording.screen import Event, rows_over_time
from tools.recording.shell import run
from tools.recording.svg import picture

PICTURE = ROOT / "docs" / "pictures" / "terminal.svg"
READY_S = 120
COLUMNS = 96
LETTERS_AT_A_TIME, LETTERS_S = 3, 0.08
PAUSE_S = 1.4
COMMANDS = (
    "curl -s --data-binary @seven.png http://127.0.0.1:5000/mnist/classify",
    "mnistified classify --fit --show photo.jpg",
    "mnistified bulk digits.npy --out results.csv",
    "tail -n 3 results.csv",
)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_inputs(folder)
        port = free_port()
        environ = {
            "PATH": f"{BIN}:/usr/bin:/bin",
            "TERM": "xterm",
            "LANG": "C.UTF-8",
            "MNISTIFIED_URL": f"http://127.0.0.1:{port}",
        }
        service = serve(folder, port)
        try:
            subprocess.run([BIN / "mnistified", "bench", "--seconds", "2"], env=environ, check=True)  # warm
            events = list(typed_and_run(COMMANDS, folder, environ, port))
        finally:
            service.stop()
    rows = rows_over_time(events, COLUMNS)
    PICTURE.write_text(picture(rows, COLUMNS, title="MNISTified in a terminal: one image, a photo, a job"))
    print(f"{PICTURE.relative_to(ROOT)}: {PICTURE.stat().st_size:,} bytes, {events[-1].at_s:.0f} s")


def make_inputs(folder: Path) -> None:
    """Draw a digit, a photo of it on paper, and 20,000 digits."""
    images, _ = draw("test")
    seven = Image.fromarray(images[17])
    seven.save(folder / "seven.png")
    paper = Image.new("L", (400, 300), 235)
    ink = seven.resize((200, 200), Image.Resampling.LANCZOS).point(lambda value: 235 - value * 0.8)
    paper.paste(ink, (110, 50))
    paper.save(folder / "photo.jpg")
    np.save(folder / "digits.npy", np.tile(images, (100, 1, 1)))


def serve(folder: Path, port: int) -> Process:
    environ = {"DATA_DIR": str(folder / "data"), "METRICS_PORT": "0"}
    environ |= {"API_PORT": str(port), "FLOWER_PORT": str(free_port())}
    environ |= {"PATH": os.environ["PATH"], "REDIS_URL": ""}
    process = Process([str(BIN / "mnistified"), "serve"], environ, cwd=folder)
    process.wait_for_line("MNISTified is ready", READY_S)
    return process


def typed_and_run(commands: tuple[str, ...], folder: Path, environ: dict[str, str], port: int) -> Iterator[Event]:
    """Type each command letter by letter, then show its output at the original times."""
    now_s = 0.5
    for command in commands:
        yield Event(now_s, "$ ")
        now_s += PAUSE_S / 2
        for start in range(0, len(command), LETTERS_AT_A_TIME):
            yield Event(now_s, command[start : start + LETTERS_AT_A_TIME])
            now_s += LETTERS_S
        yield Event(now_s, "\r\n")
        started_s, text = now_s, ""
        for at_s, text in run(command.replace(":5000", f":{port}"), folder, environ, COLUMNS):
            now_s = started_s + at_s
            yield Event(now_s, text)
        if not text.endswith("\n"):  # so that the next command begins a new row
            yield Event(now_s, "\r\n")
        now_s += PAUSE_S


if __name__ == "__main__":
    main()
