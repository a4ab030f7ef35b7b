"""The output file of `bulk`, and the note next to it with which the same command can resume after an interruption.

The order of writes keeps rows from being lost or duplicated. Rows are on disk before the note counts them, and a
resumed command first truncates the file to the size in the note.
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
except ImportError:  # Windows, where two commands are not kept from writing the same file
    fcntl = None  # type: ignore[assignment]


@dataclass(frozen=True)
class Note:
    """The state of an interrupted command, which `asked` identifies.

    The idempotency key is written before the upload, so that a repeated upload gives the same job.
    """

    asked: Mapping[str, Any]
    idempotency_key: str
    job_id: str | None = None
    written_items: int = 0
    written_bytes: int = 0


class ResumableFile:
    """An output file for `with`. Raises ValueError if another command writes it, or has left it unfinished."""

    def __init__(self, out: Path, output_format: Format, identity: Mapping[str, Any], restart: bool) -> None:
        out = Path(os.path.realpath(out))  # if it is a link, the file itself is written
        self._out = out
        self._format = output_format
        self._note_path = out.with_name(f"{out.name}.resume.json")
        self._rows_path = out.with_name(f"{out.name}.part") if output_format.finish else out
        for path in (out, self._note_path, self._rows_path):
            if path.exists() and not path.is_file():
                kind = "a folder" if path.is_dir() else "not a regular file"
                raise ValueError(f"{path} is {kind}, so the results cannot be written there and resumed")
        self._is_new = not self._rows_path.exists()
        self._file: IO[bytes] = self._rows_path.open("ab")
        try:
            self._lock()
            found = None if restart else self._read_note(identity)
            self.note = found or Note(identity, str(uuid.uuid4()))
            self._save(self.note)
            if self.note.job_id is not None:
                self._file.truncate(self.note.written_bytes)
        except BaseException:
            self._file.close()
            raise

    def start(self, job_id: str, total: int) -> None:
        """Note the job and write the header. Until then, the file keeps the content of an earlier command."""
        head = self._format.head(total)
        self._file.truncate(0)
        self._append(head)
        self._save(replace(self.note, job_id=job_id, written_bytes=len(head)))

    def write(self, items: Sequence[Item]) -> None:
        """Append the next items."""
        rows = self._format.rows(items)
        self._append(rows)
        written_bytes = self.note.written_bytes + len(rows)
        self._save(replace(self.note, written_items=self.note.written_items + len(items), written_bytes=written_bytes))

    def finish(self) -> None:
        """Complete the file and delete the note."""
        if self._format.finish is not None:
            unfinished = self._out.with_name(f"{self._out.name}.unfinished")
            self._format.finish(self._rows_path, unfinished)
            unfinished.replace(self._out)
            self._rows_path.unlink()
        self._note_path.unlink(missing_ok=True)

    def __enter__(self) -> "ResumableFile":
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file. If there is no job to resume, delete the note, and the file if this command created it."""
        if self.note.job_id is None:
            self._note_path.unlink(missing_ok=True)
            if self._is_new and not self._file.tell():
                self._rows_path.unlink()
        self._file.close()

    def _lock(self) -> None:
        if fcntl is None:
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(f"{self._out} is being written by another command") from None

    def _read_note(self, identity: Mapping[str, Any]) -> Note | None:
        if not self._note_path.exists():
            return None
        try:
            note = Note(**json.loads(self._note_path.read_bytes()))
        except (ValueError, TypeError):
            raise ValueError(f"{self._note_path} cannot be read; use --restart to start again") from None
        if note.asked == identity:
            return note
        if note.job_id is None:
            return None
        differing = ", ".join(name for name in identity if note.asked.get(name) != identity[name])
        raise ValueError(
            f"{self._out} belongs to an unfinished command with different {differing}; use --restart to start again"
        )

    def _append(self, data: bytes) -> None:
        self._file.write(data)
        self._file.flush()
        os.fsync(self._file.fileno())

    def _save(self, note: Note) -> None:
        """Write the note atomically."""
        unfinished = self._note_path.with_name(f"{self._note_path.name}.unfinished")
        unfinished.write_text(json.dumps(asdict(note)))
        unfinished.replace(self._note_path)
        self.note = note
