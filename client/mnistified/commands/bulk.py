"""The commands `bulk`, which classifies many images into a file, and `results`, which reads an existing job."""

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
from mnistified.commands.exit_codes import exit_code_of_state
from mnistified.commands.formats import FORMATS, Format, format_name
from mnistified.commands.progress import Bar, with_progress
from mnistified.commands.resume import ResumableFile
from mnistified.http.exchange import Body
from mnistified.results import JobState
from mnistified.uploads.bodies import body_of
from mnistified.uploads.files import body_of_paths

STDIO = "-"


def bulk(client: Client, arguments: argparse.Namespace) -> int:
    """Submit a job and write its results to a file or stdout."""
    started_s = time.monotonic()
    name = _format_name(arguments)
    if arguments.out == STDIO:
        job = _submit(client, arguments, None)
        state = _to_stdout(job, FORMATS[name])
    else:
        identity = _identity(client, arguments, name)
        with ResumableFile(Path(arguments.out), FORMATS[name], identity, arguments.restart) as out:
            state = _to_file(client, arguments, out)
    _print_summary(arguments, state, time.monotonic() - started_s)
    return exit_code_of_state(state.state)


def results(client: Client, arguments: argparse.Namespace) -> int:
    """Write the results of a job. The results of a running job are written as they arrive."""
    job = client.job(arguments.id)
    output_format = FORMATS[_format_name(arguments)]
    if arguments.out == STDIO:
        return exit_code_of_state(_to_stdout(job, output_format).state)
    identity = {"url": client.url, "job": job.id, "format": _format_name(arguments)}
    with ResumableFile(Path(arguments.out), output_format, identity, arguments.restart) as out:
        if out.note.job_id is None:
            out.start(job.id, job.state.total)
        state = _fill(job, out)
    return exit_code_of_state(state.state)


def _to_file(client: Client, arguments: argparse.Namespace, out: ResumableFile) -> JobState:
    if out.note.job_id is None:
        job = _submit(client, arguments, out.note.idempotency_key)
        out.start(job.id, job.state.total)
    else:
        job = client.job(out.note.job_id)
        _print_note(f"resuming {job.id} after {out.note.written_items:,} of {job.state.total:,} rows")
    try:
        return _fill(job, out)
    except KeyboardInterrupt:
        _print_note(f"interrupted after {out.note.written_items:,} of {job.state.total:,} rows")
        _print_note(f"the service continues {job.id}; run the same command again to get the other rows")
        raise


def _submit(client: Client, arguments: argparse.Namespace, idempotency_key: str | None) -> Job:
    body = _body(arguments.sources)
    with Bar("sending", "B", body.size_bytes) as bar:
        return client.submit_body(
            with_progress(body, bar),
            model=arguments.model,
            timeout_s=arguments.expire_s,
            fit=arguments.fit,
            idempotency_key=idempotency_key,
        )


def _body(sources: Sequence[str]) -> Body:
    if STDIO not in sources:
        return body_of_paths([path for source in sources for path in _expand(source)])
    if len(sources) > 1:
        raise ValueError("- reads an archive or array from stdin and cannot be combined with other sources")
    return body_of(sys.stdin.buffer)


def _expand(source: str) -> list[str]:
    """Return the files that match a pattern which the shell did not expand, e.g. because it was quoted."""
    if os.path.exists(source) or not glob.has_magic(source):
        return [source]
    found = sorted(glob.glob(source, recursive=True))
    if not found:
        raise ValueError(f"{source}: no file matches")
    return found


def _fill(job: Job, out: ResumableFile) -> JobState:
    """Write all remaining rows. Blocks until the job is final."""
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
        raise ValueError("parquet cannot be written to stdout: use --out FILE")
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
        _print_note(f"interrupted; the service continues {job.id}: read it with `mnistified results {job.id}`")
        raise


def _format_name(arguments: argparse.Namespace) -> str:
    requested = arguments.format or ("ndjson" if arguments.json and arguments.out == STDIO else None)
    return format_name(requested, arguments.out)


def _identity(client: Client, arguments: argparse.Namespace, name: str) -> dict[str, Any]:
    """Return the arguments that must be equal for a command to resume an earlier one."""
    sources = [source if source == STDIO else os.path.abspath(source) for source in arguments.sources]
    return {
        "url": client.url,
        "sources": sources,
        "model": arguments.model,
        "expire_s": arguments.expire_s,
        "fit": arguments.fit,
        "format": name,
    }


def _print_summary(arguments: argparse.Namespace, state: JobState, seconds: float) -> None:
    if arguments.json and arguments.out != STDIO:
        job = {name: state.raw.get(name) for name in ("id", "state", "total", "counts", "model")}
        print(json.dumps(job | {"out": arguments.out, "seconds": round(seconds, 3)}))
    elif not arguments.quiet:
        counts = ", ".join(f"{count:,} {name}" for name, count in state.counts.items() if count)
        _print_note(f"{state.total:,} images in {seconds:.1f} s: {counts}; {state.model}, {state.id}")
        if state.reason:
            _print_note(f"the job failed: {state.reason}")


def _print_note(text: str) -> None:
    print(f"mnistified: {text}", file=sys.stderr)
