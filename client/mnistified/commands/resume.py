"""The file that a `bulk` writes, and the note beside it by which the same command goes on after any end.

The order is what keeps rows from being lost or doubled: rows are appended and on disk before the note counts them,
and whoever goes on first cuts the file back to what the note counts.
"""

import json
import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any

from mnistified.commands.formats import Format
from mnistified.results import Item

try:
    import fcntl
except ImportError:  # no such thing on Windows: there, nothing keeps two commands from writing one file
    fcntl = None  # type: ignore[assignment]


@dataclass(frozen=True)
class Note:
    """`asked` tells one command from another. The key is noted before the upload: sent again, it is the same job."""

    asked: Mapping[str, Any]
    idempotency_key: str
    job_id: str | None = None
    written_items: int = 0
    written_bytes: int = 0


class ResumableFile:
    """Use in a `with`. Raises ValueError where another command's work is unfinished, or somebody else writes."""

    def __init__(self, out: Path, output_format: Format, asked: Mapping[str, Any], restart: bool) -> None:
        self._out = out
        self._format = output_format
        self._note_path = out.with_name(f"{out.name}.resume.json")
        self._rows_path = out.with_name(f"{out.name}.part") if output_format.finish else out
        self._file: IO[bytes] = self._rows_path.open("ab")
        try:
            self._lock()
            found = None if restart else self._read_note(asked)
            self.note = found or Note(asked, str(uuid.uuid4()))
            self._save(self.note)
            if self.note.job_id is not None:
                self._file.truncate(self.note.written_bytes)
        except BaseException:
            self._file.close()
            raise

    def accepted(self, job_id: str, total: int) -> None:
        """The upload is a job: note it, and begin the file, which until now was what an earlier command had left."""
        head = self._format.head(total)
        self._file.truncate(0)
        self._append(head)
        self._save(replace(self.note, job_id=job_id, written_bytes=len(head)))

    def write(self, items: Sequence[Item]) -> None:
        """The next items."""
        rows = self._format.rows(items)
        self._append(rows)
        written_bytes = self.note.written_bytes + len(rows)
        self._save(replace(self.note, written_items=self.note.written_items + len(items), written_bytes=written_bytes))

    def finish(self) -> None:
        """All items are written: the note goes."""
        if self._format.finish is not None:
            unfinished = self._out.with_name(f"{self._out.name}.unfinished")
            self._format.finish(self._rows_path, unfinished)
            unfinished.replace(self._out)
            self._rows_path.unlink()
        self._note_path.unlink(missing_ok=True)

    def __enter__(self) -> "ResumableFile":
        return self

    def __exit__(self, *_: object) -> None:
        """Without a job there is nothing to go on with, and nothing is left behind."""
        if self.note.job_id is None:
            self._note_path.unlink(missing_ok=True)
            if not self._file.tell():
                self._rows_path.unlink()
        self._file.close()

    def _lock(self) -> None:
        if fcntl is None:
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(f"{self._out} is being written by another command") from None

    def _read_note(self, asked: Mapping[str, Any]) -> Note | None:
        if not self._note_path.exists():
            return None
        try:
            note = Note(**json.loads(self._note_path.read_bytes()))
        except (ValueError, TypeError):
            raise ValueError(f"{self._note_path} is no note of ours; --restart begins anew") from None
        if note.asked != asked and note.job_id is None:
            return None
        if note.asked != asked:
            differing = ", ".join(name for name in asked if note.asked.get(name) != asked[name])
            raise ValueError(
                f"{self._out} belongs to an unfinished bulk with another {differing}; --restart begins anew"
            )
        return note

    def _append(self, data: bytes) -> None:
        self._file.write(data)
        self._file.flush()
        os.fsync(self._file.fileno())

    def _save(self, note: Note) -> None:
        """Whole or not at all, whatever happens meanwhile."""
        unfinished = self._note_path.with_name(f"{self._note_path.name}.unfinished")
        unfinished.write_text(json.dumps(asdict(note)))
        unfinished.replace(self._note_path)
        self.note = note
