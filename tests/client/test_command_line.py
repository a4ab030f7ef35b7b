"""The command line as a process, against the running service."""

import csv
import importlib.util
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.folder import on_a_terminal
from mnistified.commands.drawing import draw
from shared.data.dataset import Split
from tests.client.command import Command
from tests.client.conftest import FOLDER_IMAGES
from tests.support.system import System
from tools.fit_accuracy.mnist_frames import mnist_frames


def test_images_are_classified_one_by_one_also_from_stdin(mnistified: Command, pngs: list[bytes]) -> None:
    (mnistified.cwd / "0.png").write_bytes(pngs[0])
    told = mnistified("classify", "0.png", "-", stdin=pngs[0])
    assert told.returncode == 0, told.stderr
    first, second = told.stdout.decode().splitlines()
    assert first.removeprefix("0.png") == second.removeprefix("-")
    document = json.loads(mnistified("--json", "classify", "0.png").stdout)
    assert first.startswith(f"0.png: {document['prediction']} (")
    assert len(document["debug"]["probabilities"]) == 10


def test_an_image_without_an_answer_is_told_and_the_others_go_on(mnistified: Command, pngs: list[bytes]) -> None:
    (mnistified.cwd / "bad.png").write_bytes(b"no image")
    (mnistified.cwd / "0.png").write_bytes(pngs[0])
    told = mnistified("classify", "nosuch.png", "bad.png", "0.png")
    assert told.returncode == 1
    assert [line.split(b":")[1] for line in told.stderr.splitlines()] == [b" nosuch.png", b" bad.png"]
    assert told.stdout.startswith(b"0.png: ")


def test_a_folder_becomes_a_file_of_each_format(mnistified: Command, folder: Path) -> None:
    for name in ("a.csv", "a.ndjson", "a.npy"):
        told = mnistified("bulk", folder, "--out", name)
        assert told.returncode == 0, told.stderr
        assert b"300 done" in told.stderr
        assert b"\r" not in told.stderr, "no bar where there is no terminal"
    rows = list(csv.DictReader((mnistified.cwd / "a.csv").read_text().splitlines()))
    items = [json.loads(line) for line in (mnistified.cwd / "a.ndjson").read_text().splitlines()]
    probabilities = np.load(mnistified.cwd / "a.npy")
    assert probabilities.shape == (FOLDER_IMAGES, 10)
    assert [item["index"] for item in items] == list(range(FOLDER_IMAGES))
    assert [(row["name"], int(row["prediction"])) for row in rows] == [(i["name"], i["prediction"]) for i in items]
    assert np.array_equal(probabilities, np.asarray([item["probabilities"] for item in items], np.float32))
    assert sorted(path.name for path in mnistified.cwd.iterdir()) == ["a.csv", "a.ndjson", "a.npy"]


def test_on_a_terminal_bars_show_the_rate_and_the_time_left(mnistified: Command, folder: Path) -> None:
    words = [*mnistified.words, "bulk", str(folder), "--out", str(mnistified.cwd / "out.csv")]
    shown = on_a_terminal(words, os.environ | mnistified.environ).decode()
    assert re.search(r"\rresults: .*\| 0/300 \[\d\d:\d\d<\?, \? images/s\]", shown), shown
    assert "300 done" in shown


def test_patterns_and_stdin_are_sources_too(mnistified: Command, folder: Path, test_set: Split) -> None:
    told = mnistified("bulk", f"{folder}/00?.png", "--json")
    names = [Path(json.loads(line)["name"]).name for line in told.stdout.splitlines()]
    assert names == [f"00{index}.png" for index in range(10)]
    file = io.BytesIO()
    np.save(file, test_set.images[:20])
    told = mnistified("bulk", "-", stdin=file.getvalue())
    assert len(told.stdout.splitlines()) == 21
    assert told.stdout.startswith(b"index,name,prediction,probability,state,error\n")


def test_a_bulk_with_a_bad_image_ends_with_1_and_a_row_that_says_why(mnistified: Command, pngs: list[bytes]) -> None:
    (mnistified.cwd / "a.png").write_bytes(pngs[0])
    (mnistified.cwd / "b.png").write_bytes(b"no image")
    told = mnistified("bulk", ".", "--out", "out.csv", "--json")
    assert told.returncode == 1
    assert json.loads(told.stdout)["counts"] == {"done": 1, "failed": 1, "expired": 0, "cancelled": 0}
    rows = list(csv.DictReader((mnistified.cwd / "out.csv").read_text().splitlines()))
    assert rows[1]["state"] == "failed"
    assert "is not an image" in rows[1]["error"]


def test_jobs_are_watched_read_and_cancelled_by_their_id(mnistified: Command, system: System) -> None:
    job_id = system.submit(json={"start": 0, "stop": 50})
    watched = mnistified("watch", job_id)
    assert (watched.returncode, watched.stdout.decode()) == (0, f"{job_id}: done, 50 done of 50\n")
    assert len(mnistified("results", job_id, "--format", "ndjson").stdout.splitlines()) == 50
    assert mnistified("results", job_id, "--out", "r.csv").returncode == 0
    assert len((mnistified.cwd / "r.csv").read_text().splitlines()) == 51
    assert json.loads(mnistified("cancel", job_id, "--json").stdout)["state"] == "done"


def test_the_service_is_asked_about(mnistified: Command, system: System) -> None:
    assert f"service  {system.url}: ok" in mnistified("status").stdout.decode()
    assert json.loads(mnistified("status", "--json").stdout)["status"] == "ok"
    assert mnistified("models").stdout.startswith(b"cnn")
    assert "cnn" in json.loads(mnistified("models", "--json").stdout)["models"]


def test_a_test_image_is_drawn(mnistified: Command, test_set: Split) -> None:
    told = mnistified("dataset", 3, "--show", "--out", "3.png").stdout.decode().splitlines()
    assert told[0] == f"test image 3 of {test_set.name}: {test_set.labels[3]}"
    assert len(told) == 15
    assert any("█" in line for line in told)
    assert np.array_equal(np.asarray(Image.open(mnistified.cwd / "3.png")), test_set.images[3])


def test_a_photo_is_fitted_and_what_the_model_saw_is_drawn(mnistified: Command, test_set: Split) -> None:
    for index, frame in enumerate(mnist_frames(test_set.images[:2], 1)):
        Image.fromarray(frame.astype(np.uint8)).save(mnistified.cwd / f"{index}.png")
    told = mnistified("classify", "0.png", "--fit", "--show").stdout.decode().splitlines()
    assert told[0].startswith(f"0.png: {test_set.labels[0]} (")
    assert any("█" in line for line in told[1:])
    items = [json.loads(line) for line in mnistified("bulk", ".", "--fit", "--json").stdout.splitlines()]
    assert [item["prediction"] for item in items] == test_set.labels[:2].tolist()


def test_half_blocks_show_two_pixels_a_character() -> None:
    assert draw(bytes([255, 0, 0, 255, 255, 0]), 2, 3, colour=False) == "▀▄\n▀"
    assert draw(bytes([255, 0]), 1, 2, colour=True) == "\x1b[38;5;255;48;5;232m▀\x1b[0m"


@pytest.mark.parametrize(
    ("words", "exit_code", "reason"),
    [
        (["classify", "-", "--show"], 2, "--show draws what --fit has made"),
        (["watch", "j0000000000000000"], 3, "404 Not found: no result"),
        (["bulk", "nosuch/"], 2, "nosuch"),
        (["bulk", "*.nosuch"], 2, "no file has such a name"),
        (["bulk", ".", "--out", "a.txt"], 2, "no format 'txt'; there are csv, ndjson, npy, parquet"),
        (["classify", "-", "--model", "nosuch"], 3, "nosuch"),
        (["status", "--url", "http://127.0.0.1:9", "--retries", "0"], 4, "refused"),
        (["status", "--url", "nosuch"], 2, "'nosuch' is no URL"),
        (["nosuch"], 2, "invalid choice"),
    ],
)
def test_exit_codes_tell_what_went_wrong(
    mnistified: Command, pngs: list[bytes], words: list[str], exit_code: int, reason: str
) -> None:
    told = mnistified(*words, stdin=pngs[0])
    assert (told.returncode, told.stdout) == (exit_code, b"")
    assert reason in told.stderr.decode()
    assert b"Traceback" not in told.stderr
    assert not list(mnistified.cwd.iterdir())


def test_a_reader_that_leaves_is_no_error(mnistified: Command, system: System) -> None:
    job_id = system.submit(json={"start": 0, "stop": 200})
    shell = f"{sys.executable} -m mnistified results {job_id} --json | head -1"
    told = subprocess.run(
        ["bash", "-c", shell], env=mnistified.environ | {"PATH": "/usr/bin:/bin"}, capture_output=True
    )
    assert (told.returncode, told.stderr) == (0, b"")


@pytest.mark.skipif(importlib.util.find_spec("pyarrow") is not None, reason="pyarrow is installed")
def test_parquet_without_pyarrow_is_told_before_anything_is_sent(mnistified: Command, folder: Path) -> None:
    told = mnistified("bulk", folder, "--out", "a.parquet")
    assert told.returncode == 2
    assert b"pip install pyarrow" in told.stderr


def test_parquet_has_the_rows_that_the_service_has(mnistified: Command, folder: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    assert mnistified("bulk", folder, "--out", "a.parquet").returncode == 0
    rows = parquet.read_table(mnistified.cwd / "a.parquet").to_pylist()
    assert [row["index"] for row in rows] == list(range(FOLDER_IMAGES))
    assert [path.name for path in mnistified.cwd.iterdir()] == ["a.parquet"]


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_shells_complete_the_words(mnistified: Command, shell: str) -> None:
    pytest.importorskip("shtab")
    told = mnistified("completion", shell)
    assert told.returncode == 0
    assert b"--restart" in told.stdout
