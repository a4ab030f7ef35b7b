"""The file formats of results: a header and rows that are appended, so that interrupted writing can be resumed."""

import csv
import importlib.util
import io
import json
import math
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from mnistified.results import Guess, Item
from mnistified.uploads.npy import FLOAT32, npy_header

CLASSES = 10
COLUMNS = ("index", "name", "prediction", "probability", "state", "error", "label")
NPY_ROW = struct.Struct(f"<{CLASSES}f")
NO_ANSWER = (math.nan,) * CLASSES
PARQUET_ROWS = 50_000  # rows in memory at a time


@dataclass(frozen=True)
class Format:
    """A format. `head` takes the number of rows. `finish` converts the rows (first path) to the file (second path)."""

    head: Callable[[int], bytes]
    rows: Callable[[Sequence[Item]], bytes]
    finish: Callable[[Path, Path], None] | None = None


def format_name(requested: str | None, out: str) -> str:
    """Return the requested format, or that of the suffix. Raises ValueError for one that cannot be written."""
    name = requested or Path(out).suffix.removeprefix(".").lower().replace("jsonl", "ndjson") or "csv"
    if name not in FORMATS:
        raise ValueError(f"{out}: unknown format {name!r}; use --format or a suffix of {', '.join(FORMATS)}")
    if name == "parquet" and importlib.util.find_spec("pyarrow") is None:
        raise ValueError("parquet needs pyarrow, which is not installed: pip install pyarrow")
    return name


def _csv_rows(items: Sequence[Item]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for item in items:
        probability = item.confidence if item.probabilities is None else max(item.probabilities)
        answer = item.prediction if item.text is None else item.text
        writer.writerow((item.index, item.name, answer, probability, item.state, item.error, item.label))
    return text.getvalue().encode("utf-8", "surrogateescape")


def _ndjson_rows(items: Sequence[Item]) -> bytes:
    return "".join(json.dumps(row(item), ensure_ascii=False) + "\n" for item in items).encode("utf-8", "replace")


def row(item: Item) -> dict[str, Any]:
    """Return an item in the JSON format of the service."""
    return {
        "index": item.index,
        "name": item.name,
        "state": item.state,
        "prediction": item.prediction,
        "probabilities": item.probabilities,
        "error": item.error,
        **({} if item.label is None else {"label": item.label}),
        **({} if item.confidence is None else {"confidence": item.confidence}),
        **({"best": [best._asdict() for best in item.best]} if item.best else {}),
        **({} if item.confident is None else {"confident": item.confident}),
        **({"guesses": [_guess(guess) for guess in item.guesses]} if item.guesses else {}),
        **(_number(item) if item.text is not None or item.digits else {}),
        **({} if item.stage is None else {"stage": item.stage}),
    }


def _guess(guess: Guess) -> dict[str, Any]:
    return {name: value for name, value in guess._asdict().items() if value is not None}


def _number(item: Item) -> dict[str, Any]:
    digits = []
    for digit in item.digits:
        others = [{"digit": other, "confidence": share} for other, share in digit.alternatives]
        digits.append(digit._asdict() | {"alternatives": others})
    return {"text": item.text, "confidence": item.confidence, "digits": digits}


def _npy_rows(items: Sequence[Item]) -> bytes:
    """Return probabilities float32[N,10], with NaN for images without an answer. Raises ValueError for other labels."""
    rows = [item.probabilities or NO_ANSWER for item in items]
    if any(len(row) != CLASSES for row in rows) or any(item.best for item in items):
        raise ValueError(f"npy holds the probabilities of {CLASSES} labels: use csv, ndjson or parquet")
    return b"".join(NPY_ROW.pack(*row) for row in rows)


def _to_parquet(rows: Path, out: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    schema = pa.schema(
        [
            ("index", pa.int64()),
            ("name", pa.string()),
            ("state", pa.string()),
            ("prediction", pa.int16()),
            ("probabilities", pa.list_(pa.float32())),
            ("error", pa.string()),
            ("text", pa.string()),
            ("label", pa.string()),
            ("confidence", pa.float32()),
        ]
    )
    with rows.open("rb") as file, parquet.ParquetWriter(out, schema) as writer:
        for batch in _batches(file):
            writer.write_table(pa.Table.from_pylist(batch, schema))


def _batches(file: Iterator[bytes]) -> Iterator[list[dict[str, Any]]]:
    while lines := list(islice(file, PARQUET_ROWS)):
        yield [json.loads(line) for line in lines]


FORMATS = {
    "csv": Format(lambda _: (",".join(COLUMNS) + "\n").encode(), _csv_rows),
    "ndjson": Format(lambda _: b"", _ndjson_rows),
    "npy": Format(lambda count: npy_header((count, CLASSES), FLOAT32), _npy_rows),
    "parquet": Format(lambda _: b"", _ndjson_rows, _to_parquet),
}
