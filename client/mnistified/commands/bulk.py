"""`bulk`: many images in, one file of results out; and `results`, the same for a job that is there already."""

import argparse
import glob
import io
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mnistified.client import Client, Job
from mnistified.commands.exits import exit_code_of_state
from mnistified.commands.formats import FORMATS, Format, format_name
from mnistified.commands.progress import Bar, shown
from mnistified.commands.resume import ResumableFile
from mnistified.http.exchange import Body
from mnistified.results import JobState
from mnistified.uploads.bodies import body_of
from mnistified.uploads.files import body_of_paths

STDIO = "-"


def bulk(client: Client, arguments: argparse.Namespace) -> int:
    started_s = time.monotonic()
    name = _format_name(arguments)
    if arguments.out == STDIO:
        job = _submit(client, arguments, None)
        state = _to_stdout(job, FORMATS[name])
    else:
        with ResumableFile(
            Path(arguments.out), FORMATS[name], _asked(client, arguments, name), arguments.restart
        ) as out:
            state = _to_file(client, arguments, out)
    _tell(arguments, state, time.monotonic() - started_s)
    return exit_code_of_state(state.state)


def results(client: Client, arguments: argparse.Namespace) -> int:
    """Those of a job that still runs are written as they arrive."""
    job = client.job(arguments.id)
    output_format = FORMATS[_format_name(arguments)]
    if arguments.out == STDIO:
        return exit_code_of_state(_to_stdout(job, output_format).state)
    asked = {"url": client.url, "job": job.id, "format": _format_name(arguments)}
    with ResumableFile(Path(arguments.out), output_format, asked, arguments.restart) as out:
        if out.note.job_id is None:
            out.accepted(job.id, job.state.total)
        state = _fill(job, out)
    return exit_code_of_state(state.state)


def _to_file(client: Client, arguments: argparse.Namespace, out: ResumableFile) -> JobState:
    if out.note.job_id is None:
        job = _submit(client, arguments, out.note.idempotency_key)
        out.accepted(job.id, job.state.total)
    else:
        job = client.job(out.note.job_id)
        _say(f"going on with {job.id} after {out.note.written_items:,} of {job.state.total:,} rows")
    try:
        return _fill(job, out)
    except KeyboardInterrupt:
        _say(f"interrupted after {out.note.written_items:,} of {job.state.total:,} rows")
        _say(f"{job.id} goes on at the service; the same command goes on with its rows")
        raise


def _submit(client: Client, arguments: argparse.Namespace, idempotency_key: str | None) -> Job:
    body = _body(arguments.sources)
    with Bar("sending", "B", body.size_bytes) as bar:
        return client.submit_body(
            shown(body, bar),
            model=arguments.model,
            timeout_s=arguments.expire_s,
            fit=arguments.fit,
            idempotency_key=idempotency_key,
        )


def _body(sources: Sequence[str]) -> Body:
    if STDIO not in sources:
        return body_of_paths([path for source in sources for path in _expanded(source)])
    if len(sources) > 1:
        raise ValueError("- stands for all of stdin, an archive or array: nothing else can be beside it")
    return body_of(sys.stdin.buffer)


def _expanded(source: str) -> list[str]:
    """A pattern that the shell has left alone, as of a path in quotes."""
    if os.path.exists(source) or not glob.has_magic(source):
        return [source]
    found = sorted(glob.glob(source, recursive=True))
    if not found:
        raise ValueError(f"{source}: no file has such a name")
    return found


def _fill(job: Job, out: ResumableFile) -> JobState:
    """Blocks until the last row is written."""
    with Bar("results", " images", job.state.total, out.note.written_items) as bar:
        for items in job.pages(out.note.written_items):
            if items:
                out.write(items)
            bar.show(out.note.written_items)
    state = job.wait()
    out.finish()
    return state


def _to_stdout(job: Job, output_format: Format) -> JobState:
    if output_format.finish is not None:
        raise ValueError("parquet cannot be written to stdout: give --out a file's name")
    out: io.BufferedIOBase = sys.stdout.buffer  # type: ignore[assignment]
    try:
        out.write(output_format.head(job.state.total))
        written = 0
        with Bar("results", " images", job.state.total) as bar:
            for items in job.pages():
                out.write(output_format.rows(items))
                out.flush()
                written += len(items)
                bar.show(written)
        return job.wait()
    except KeyboardInterrupt:
        _say(f"interrupted; {job.id} goes on at the service: mnistified results {job.id}")
        raise


def _format_name(arguments: argparse.Namespace) -> str:
    asked = arguments.format or ("ndjson" if arguments.json and arguments.out == STDIO else None)
    return format_name(asked, arguments.out)


def _asked(client: Client, arguments: argparse.Namespace, name: str) -> dict[str, Any]:
    """What makes a command the same as one before."""
    sources = [source if source == STDIO else os.path.abspath(source) for source in arguments.sources]
    return {
        "url": client.url,
        "sources": sources,
        "model": arguments.model,
        "expire_s": arguments.expire_s,
        "fit": arguments.fit,
        "format": name,
    }


def _tell(arguments: argparse.Namespace, state: JobState, seconds: float) -> None:
    if arguments.json and arguments.out != STDIO:
        told = {"out": arguments.out, "seconds": round(seconds, 3)}
        print(json.dumps({name: state.raw.get(name) for name in ("id", "state", "total", "counts", "model")} | told))
    elif not arguments.quiet:
        counts = ", ".join(f"{count:,} {name}" for name, count in state.counts.items() if count)
        _say(f"{state.total:,} images in {seconds:.1f} s: {counts}; {state.model}, {state.id}")


def _say(text: str) -> None:
    print(f"mnistified: {text}", file=sys.stderr)
