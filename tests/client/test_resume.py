"""An interrupted `bulk` resumes when the same command runs again, without losing or duplicating rows."""

import csv
import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mnistified import Item
from mnistified.commands.formats import FORMATS
from mnistified.commands.resume import Note, ResumableFile
from shared.data.dataset import Split
from tests.client.command import Command
from tests.support.processes import wait_until
from tests.support.system import System

IMAGES = 10_000


@pytest.mark.slow
@pytest.mark.parametrize(
    ("when", "signum"),
    [
        ("sending", signal.SIGKILL),
        ("writing", signal.SIGINT),
        pytest.param("sending", signal.SIGINT, marks=pytest.mark.long),
        pytest.param("writing", signal.SIGKILL, marks=pytest.mark.long),
    ],
)
def test_a_killed_bulk_resumes(
    when: str, signum: signal.Signals, mnistified: Command, system: System, test_set: Split
) -> None:
    rows = np.arange(IMAGES) % 200
    np.save(mnistified.cwd / "many.npy", test_set.images[rows])
    out, note = mnistified.cwd / "out.csv", mnistified.cwd / "out.csv.resume.json"
    process = mnistified.start("bulk", "many.npy", "--out", "out.csv")
    wait_until(lambda: note.exists() and (when == "sending" or out.stat().st_size > 100), when, 40)
    process.signal(signum)
    status = process.wait()
    assert status == (130 if signum == signal.SIGINT else -signum), process.output
    left = json.loads(note.read_bytes()) if note.exists() else None
    if when == "writing":
        assert left is not None
        assert left["written_items"] < IMAGES, "it was killed too late to prove anything"
        assert left["job_id"]
    result = mnistified("bulk", "many.npy", "--out", "out.csv", "--json")
    assert result.returncode == 0, result.stderr
    if when == "writing":
        assert left is not None
        assert json.loads(result.stdout)["id"] == left["job_id"], "the job continued at the service"
    found = list(csv.DictReader(out.read_text().splitlines()))
    assert [int(row["index"]) for row in found] == list(range(IMAGES))
    predictions = np.asarray([int(row["prediction"]) for row in found])
    assert np.array_equal(predictions, predictions[rows])
    assert not note.exists()


def items(first: int, stop: int) -> list[Item]:
    return [Item(index, None, "done", index % 10, (0.1,) * 10, None) for index in range(first, stop)]


def opened(out: Path, identity: dict[str, Any] | None = None, restart: bool = False) -> ResumableFile:
    return ResumableFile(out, FORMATS["csv"], identity or {"sources": ["a"]}, restart)


def test_rows_that_the_note_does_not_count_are_written_again(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    with opened(out) as file:
        file.start("j1", 30)
        file.write(items(0, 10))
    with out.open("ab") as torn:
        torn.write(b"10,,0,0.1,done,\n11,,1,0.")  # killed between the rows and the note
    with opened(out) as file:
        assert (file.note.job_id, file.note.written_items) == ("j1", 10)
        file.write(items(10, 30))
        file.finish()
    assert [int(row["index"]) for row in csv.DictReader(out.read_text().splitlines())] == list(range(30))
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


def test_another_command_does_not_resume_the_file(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    with opened(out) as file:
        file.start("j1", 30)
    with pytest.raises(ValueError, match="unfinished command with different sources; use --restart"):
        opened(out, {"sources": ["b"]})
    with opened(out, {"sources": ["b"]}, restart=True) as file:
        assert file.note.job_id is None


def test_two_commands_do_not_write_one_file(tmp_path: Path) -> None:
    with (
        opened(tmp_path / "out.csv"),
        pytest.raises(ValueError, match=r"out\.csv is being written by another command"),
    ):
        opened(tmp_path / "out.csv")


def test_a_command_without_a_job_keeps_an_earlier_file(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    out.write_text("earlier results")
    with pytest.raises(OSError, match="no such folder"), opened(out):
        raise OSError("no such folder")
    assert out.read_text() == "earlier results"
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


def test_what_is_no_regular_file_is_neither_opened_nor_deleted(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "out.csv")
    (tmp_path / "a.csv.resume.json").mkdir()
    for name in ("out.csv", "a.csv"):
        with pytest.raises(ValueError, match=r"is (not a regular file|a folder), so the results cannot be written"):
            opened(tmp_path / name)
    assert (tmp_path / "out.csv").is_fifo()


def test_an_empty_file_of_somebody_else_is_kept(tmp_path: Path) -> None:
    (tmp_path / "out.csv").touch()
    with pytest.raises(OSError, match="no such folder"), opened(tmp_path / "out.csv"):
        raise OSError("no such folder")
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


def test_an_unreadable_note_is_named(tmp_path: Path) -> None:
    (tmp_path / "out.csv.resume.json").write_text('{"asked"')
    with pytest.raises(ValueError, match=r"resume\.json cannot be read; use --restart"):
        opened(tmp_path / "out.csv")


def test_the_key_of_an_interrupted_upload_is_used_again(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    note = Note({"sources": ["a"]}, "the-key")
    (tmp_path / "out.csv.resume.json").write_text(json.dumps(vars(note)))
    with opened(out) as file:
        assert file.note.idempotency_key == "the-key"
