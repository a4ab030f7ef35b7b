"""The command line as a process, against the running service."""

import csv
import importlib.util
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.folder import on_a_terminal
from mnistified.commands.drawing import draw
from shared.data.dataset import Split
from tests.client.command import Command
from tests.client.conftest import FOLDER_IMAGES
from tests.support.processes import run
from tests.support.system import System
from tests.support.uploads import npy
from tools.fit_accuracy.mnist_frames import mnist_frames


@pytest.mark.slow
def test_images_are_classified_one_by_one_and_from_stdin(mnistified: Command, pngs: list[bytes]) -> None:
    (mnistified.cwd / "0.png").write_bytes(pngs[0])
    result = mnistified("classify", "0.png", "-", stdin=pngs[0])
    assert result.returncode == 0, result.stderr
    first, second = result.stdout.decode().splitlines()
    assert first.removeprefix("0.png") == second.removeprefix("-")
    document = json.loads(mnistified("--json", "classify", "0.png").stdout)
    assert first.startswith(f"0.png: {document['prediction']} (")
    assert len(document["debug"]["probabilities"]) == 10


@pytest.mark.slow
def test_a_failed_image_is_reported_and_the_other_images_are_classified(mnistified: Command, pngs: list[bytes]) -> None:
    (mnistified.cwd / "bad.png").write_bytes(b"no image")
    (mnistified.cwd / "0.png").write_bytes(pngs[0])
    assert mnistified("classify", "bad.png", "0.png").returncode == 1
    result = mnistified("classify", "nosuch.png", "bad.png", "0.png")
    assert result.returncode == 2, "a local file cannot be used"
    assert b"nosuch.png: No such file or directory\n" in result.stderr
    assert [line.split(b":")[1] for line in result.stderr.splitlines()] == [b" nosuch.png", b" bad.png"]
    assert result.stdout.startswith(b"0.png: ")


@pytest.mark.slow
def test_odd_file_names_and_endless_files_break_no_line_and_no_terminal(mnistified: Command, pngs: list[bytes]) -> None:
    name = "a\n\x1b[31mb.png"
    (mnistified.cwd / name).write_bytes(pngs[0])
    (mnistified.cwd / "c\nd.txt").write_bytes(b"")
    result = mnistified("classify", name, "", "/dev/zero", "e\nf.png")
    assert result.returncode == 2
    assert result.stdout.decode().startswith("a\ufffd\ufffd[31mb.png: ")
    assert result.stderr.decode().splitlines() == [
        "mnistified: : an empty file name",
        "mnistified: /dev/zero: larger than 256 MiB",
        "mnistified: e\ufffdf.png: No such file or directory",
    ]
    assert json.loads(mnistified("--json", "classify", name).stdout)["file"] == name
    assert "skipped 1 file: ./c\ufffdd.txt (not a picture)\n" in mnistified("bulk", ".").stderr.decode()


@pytest.mark.slow
def test_closed_streams_are_no_obstacle(mnistified: Command, pngs: list[bytes]) -> None:
    (mnistified.cwd / "0.png").write_bytes(pngs[0])
    command = [*mnistified.words, "classify", "0.png"]
    for closed in (">&-", "2>&-", "<&-", "<&- >&- 2>&-"):
        script = f'exec "$@" {closed}'
        result = run(["sh", "-c", script, "sh", *command], mnistified.environ, mnistified.cwd)
        assert (result.returncode, result.stderr) == (0, b"")


@pytest.mark.slow
def test_images_below_the_threshold_are_unsure(mnistified: Command, pngs: list[bytes], folder: Path) -> None:
    (mnistified.cwd / "0.png").write_bytes(pngs[0])
    result = mnistified("classify", "--accept", "1", "0.png")
    assert (result.returncode, result.stdout.startswith(b"0.png: unsure, perhaps ")) == (0, True)
    result = mnistified("bulk", folder, "--accept", "1", "--out", "a.csv")
    assert (result.returncode, b"300 unsure" in result.stderr) == (0, True)
    rows = list(csv.DictReader((mnistified.cwd / "a.csv").read_text().splitlines()))
    assert {(row["state"], row["prediction"]) for row in rows} == {("unsure", "")}
    assert b"neither a number from 0 to 1 nor `rule`" in mnistified("classify", "--accept", "2", "0.png").stderr


@pytest.mark.slow
def test_bulk_writes_each_format(mnistified: Command, folder: Path) -> None:
    for name in ("a.csv", "a.ndjson", "a.npy"):
        result = mnistified("bulk", folder, "--out", name)
        assert result.returncode == 0, result.stderr
        assert b"300 done" in result.stderr
        assert b"\r" not in result.stderr, "a bar without a terminal"
    rows = list(csv.DictReader((mnistified.cwd / "a.csv").read_text().splitlines()))
    items = [json.loads(line) for line in (mnistified.cwd / "a.ndjson").read_text().splitlines()]
    probabilities = np.load(mnistified.cwd / "a.npy")
    assert probabilities.shape == (FOLDER_IMAGES, 10)
    assert [item["index"] for item in items] == list(range(FOLDER_IMAGES))
    assert [(row["name"], int(row["prediction"])) for row in rows] == [(i["name"], i["prediction"]) for i in items]
    assert np.array_equal(probabilities, np.asarray([item["probabilities"] for item in items], np.float32))
    assert sorted(path.name for path in mnistified.cwd.iterdir()) == ["a.csv", "a.ndjson", "a.npy"]


@pytest.mark.slow
def test_bars_on_a_terminal_show_the_rate_and_the_remaining_time(mnistified: Command, folder: Path) -> None:
    words = [*mnistified.words, "bulk", str(folder), "--out", str(mnistified.cwd / "out.csv")]
    shown = on_a_terminal(words, os.environ | mnistified.environ).decode()
    assert re.search(r"\rresults: .*\| 0/300 \[\d\d:\d\d<\?, \? images/s\]", shown), shown
    assert "300 done" in shown


@pytest.mark.slow
def test_sources_can_be_patterns_and_stdin(mnistified: Command, folder: Path, test_set: Split) -> None:
    result = mnistified("bulk", f"{folder}/00?.png", "--json")
    names = [Path(json.loads(line)["name"]).name for line in result.stdout.splitlines()]
    assert names == [f"00{index}.png" for index in range(10)]
    result = mnistified("bulk", "-", stdin=npy(test_set.images[:20]))
    assert len(result.stdout.splitlines()) == 21
    assert result.stdout.startswith(b"index,name,prediction,probability,state,error,label\n")


@pytest.mark.slow
def test_bulk_with_a_bad_image_exits_with_1_and_writes_the_reason(mnistified: Command, pngs: list[bytes]) -> None:
    (mnistified.cwd / "a.png").write_bytes(pngs[0])
    (mnistified.cwd / "b.png").write_bytes(b"no image")
    result = mnistified("bulk", ".", "--out", "out.csv", "--json")
    assert result.returncode == 1
    assert json.loads(result.stdout)["counts"] == {"done": 1, "unsure": 0, "failed": 1, "expired": 0, "cancelled": 0}
    rows = list(csv.DictReader((mnistified.cwd / "out.csv").read_text().splitlines()))
    assert rows[1]["state"] == "failed"
    assert "is not an image" in rows[1]["error"]
    assert b"mnistified: b.png: the body (8 bytes) is not an image" in result.stderr


@pytest.mark.slow
def test_what_is_no_regular_file_is_written_and_never_deleted(mnistified: Command, folder: Path) -> None:
    pipe = mnistified.cwd / "pipe"
    os.mkfifo(pipe)
    (mnistified.cwd / "link.csv").symlink_to(mnistified.cwd / "real.csv")
    with ThreadPoolExecutor() as pool:
        read = pool.submit(pipe.read_bytes)
        assert mnistified("bulk", folder, "--out", "pipe").returncode == 0
        assert len(read.result().splitlines()) == FOLDER_IMAGES + 1
    result = mnistified("bulk", folder, "--out", "/dev/stdout")
    assert len(result.stdout.splitlines()) == FOLDER_IMAGES + 1
    assert mnistified("bulk", folder, "--out", "link.csv").returncode == 0
    assert (pipe.is_fifo(), (mnistified.cwd / "link.csv").is_symlink()) == (True, True)
    assert len((mnistified.cwd / "real.csv").read_text().splitlines()) == FOLDER_IMAGES + 1
    assert mnistified("bulk", folder, "--out", "/dev/null", "--format", "csv").returncode == 0
    assert Path("/dev/null").is_char_device()
    assert b"is a folder" in mnistified("bulk", folder, "--out", ".", "--format", "csv").stderr


@pytest.mark.slow
def test_skipped_files_and_the_options_of_the_command_are_named(mnistified: Command, pngs: list[bytes]) -> None:
    (mnistified.cwd / "a.png").write_bytes(pngs[0])
    (mnistified.cwd / "b.HEIC").write_bytes(b"")
    Image.new("L", (300, 200), 200).save(mnistified.cwd / "c.png")
    result = mnistified("bulk", ".")
    assert b"skipped 1 file: ./b.HEIC (HEIC and AVIF are not supported" in result.stderr
    assert b"c.png: expected a 28" in result.stderr
    for shown in (result, mnistified("classify", "c.png")):
        assert b"--fit takes any size" in shown.stderr
        assert b"?fit" not in shown.stderr


@pytest.mark.slow
def test_retries_are_reported_at_once(mnistified: Command) -> None:
    result = mnistified("status", "--url", "http://127.0.0.1:9", "--retries", "1")
    first, last = result.stderr.decode().splitlines()
    assert re.fullmatch(r"mnistified: http://127.0.0.1:9: Connection refused; trying again in \d\.\d s", first)
    assert (last, result.returncode) == ("mnistified: http://127.0.0.1:9: Connection refused", 4)


@pytest.mark.slow
def test_jobs_are_watched_read_and_cancelled_by_their_id(mnistified: Command, system: System) -> None:
    job_id = system.submit(json={"start": 0, "stop": 50})
    watched = mnistified("watch", job_id)
    assert (watched.returncode, watched.stdout.decode()) == (0, f"{job_id}: done, 50 done of 50\n")
    assert len(mnistified("results", job_id, "--format", "ndjson").stdout.splitlines()) == 50
    assert mnistified("results", job_id, "--out", "r.csv").returncode == 0
    assert len((mnistified.cwd / "r.csv").read_text().splitlines()) == 51
    assert json.loads(mnistified("cancel", job_id, "--json").stdout)["state"] == "done"


@pytest.mark.slow
def test_status_and_models_are_printed(mnistified: Command, system: System) -> None:
    assert f"service  {system.url}: ok" in mnistified("status").stdout.decode()
    assert json.loads(mnistified("status", "--json").stdout)["status"] == "ok"
    assert mnistified("models").stdout.startswith(b"cnn")
    assert "cnn" in json.loads(mnistified("models", "--json").stdout)["models"]


@pytest.mark.slow
def test_a_test_image_is_drawn(mnistified: Command, test_set: Split) -> None:
    result = mnistified("dataset", 3, "--show", "--out", "3.png").stdout.decode().splitlines()
    assert result[0] == f"test image 3 of {test_set.name}: {test_set.labels[3]}"
    assert len(result) == 15
    assert any("█" in line for line in result)
    assert np.array_equal(np.asarray(Image.open(mnistified.cwd / "3.png")), test_set.images[3])


@pytest.mark.slow
def test_a_photo_is_fitted_and_the_result_is_drawn(mnistified: Command, test_set: Split) -> None:
    for index, frame in enumerate(mnist_frames(test_set.images[:2], 1)):
        Image.fromarray(frame.astype(np.uint8)).save(mnistified.cwd / f"{index}.png")
    result = mnistified("classify", "0.png", "--fit", "--show").stdout.decode().splitlines()
    assert result[0].startswith(f"0.png: {test_set.labels[0]} (")
    assert any("█" in line for line in result[1:])
    items = [json.loads(line) for line in mnistified("bulk", ".", "--fit", "--json").stdout.splitlines()]
    assert [item["prediction"] for item in items] == test_set.labels[:2].tolist()


def test_half_blocks_show_two_pixels_per_character() -> None:
    assert draw(bytes([255, 0, 0, 255, 255, 0]), 2, 3, colour=False) == "▀▄\n▀"
    assert draw(bytes([255, 0]), 1, 2, colour=True) == "\x1b[38;5;255;48;5;232m▀\x1b[0m"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "exit_code", "reason"),
    [
        (["classify", "-", "--show"], 2, "--show needs --fit"),
        (["watch", "j0000000000000000"], 3, "404 Not found: no result"),
        (["bulk", "nosuch/"], 2, "nosuch/: No such file or directory"),
        (["bulk", "*.nosuch"], 2, "no file matches"),
        (
            ["bulk", ".", "--out", "a.txt"],
            2,
            "unknown format 'txt'; use --format or a suffix of csv, ndjson, npy, parquet",
        ),
        (["classify", "-", "--model", "nosuch"], 3, "nosuch"),
        (["status", "--url", "http://127.0.0.1:9", "--retries", "0"], 4, "refused"),
        (["status", "--url", "nosuch"], 2, "'nosuch' is not the URL of a service"),
        (["nosuch"], 2, "invalid choice"),
    ],
)
def test_each_kind_of_error_has_an_exit_code(
    mnistified: Command, pngs: list[bytes], words: list[str], exit_code: int, reason: str
) -> None:
    result = mnistified(*words, stdin=pngs[0])
    assert (result.returncode, result.stdout) == (exit_code, b"")
    assert reason in result.stderr.decode()
    assert b"Traceback" not in result.stderr
    assert not list(mnistified.cwd.iterdir())


@pytest.mark.slow
def test_a_closed_pipe_is_not_an_error(mnistified: Command, system: System) -> None:
    job_id = system.submit(json={"start": 0, "stop": 200})
    shell = f"{sys.executable} -m mnistified results {job_id} --json | head -1"
    result = subprocess.run(
        ["bash", "-c", shell], env=mnistified.environ | {"PATH": "/usr/bin:/bin"}, capture_output=True
    )
    assert (result.returncode, result.stderr) == (0, b"")


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("pyarrow") is not None, reason="pyarrow is installed")
def test_parquet_without_pyarrow_fails_before_the_upload(mnistified: Command, folder: Path) -> None:
    result = mnistified("bulk", folder, "--out", "a.parquet")
    assert result.returncode == 2
    assert b"pip install pyarrow" in result.stderr


@pytest.mark.slow
def test_parquet_has_all_rows(mnistified: Command, folder: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    assert mnistified("bulk", folder, "--out", "a.parquet").returncode == 0
    rows = parquet.read_table(mnistified.cwd / "a.parquet").to_pylist()
    assert [row["index"] for row in rows] == list(range(FOLDER_IMAGES))
    assert [path.name for path in mnistified.cwd.iterdir()] == ["a.parquet"]


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_scripts_have_the_options(mnistified: Command, shell: str) -> None:
    pytest.importorskip("shtab")
    result = mnistified("completion", shell)
    assert result.returncode == 0
    assert b"--restart" in result.stdout
