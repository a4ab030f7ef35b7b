"""The commands `bulk`, which classifies many images into a file, and `results`, which reads an existing job."""

import argparse
import contextlib
import glob
import io
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mnistified.client import Client, Job
from mnistified.commands.exit_codes import exit_code_of_state, for_the_command_line, printable
from mnistified.commands.formats import FORMATS, Format, format_name
from mnistified.commands.progress import Bar, with_progress
from mnistified.commands.resume import ResumableFile
from mnistified.commands.single import options_of, read_among
from mnistified.http.exchange import Body
from mnistified.options import ClassifyOptions
from mnistified.results import Item, JobState
from mnistified.uploads.bodies import body_of
from mnistified.uploads.files import body_of_paths

STDIO = "-"
MAX_NAMED = 10  # failed images and skipped files that are named


class Failures:
    """The first failed items of a job, to name them at the end."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._count = 0

    def add(self, items: Sequence[Item]) -> None:
        for item in items:
            if item.state == "failed":
                self._count += 1
                if len(self._lines) < MAX_NAMED:
                    self._lines.append(
                        f"{item.name or f'image {item.index}'}: {for_the_command_line(item.error or '')}"
                    )

    def print(self) -> None:
        for line in self._lines:
            _print_note(line)
        if self._count > len(self._lines):
            _print_note(f"… and {self._count - len(self._lines):,} more failed images")


def bulk(client: Client, arguments: argparse.Namespace) -> int:
    """Submit a job and write its results to a file or stdout."""
    started_s = time.monotonic()
    name = _format_name(arguments)
    failures = Failures()
    if is_stream(arguments.out):
        with _opened_stream(arguments.out, FORMATS[name]) as out_stream:
            job = _submit(client, arguments, None)
            state = _to_stream(job, FORMATS[name], out_stream, failures, arguments.quiet)
    else:
        identity = _identity(client, arguments, name)
        with ResumableFile(Path(arguments.out), FORMATS[name], identity, arguments.restart) as out:
            state = _to_file(client, arguments, out, failures)
    if not arguments.quiet:
        failures.print()
    _print_summary(arguments, state, time.monotonic() - started_s)
    return exit_code_of_state(state.state)


def results(client: Client, arguments: argparse.Namespace) -> int:
    """Write the results of a job. The results of a running job are written as they arrive."""
    job = client.job(arguments.id)
    output_format = FORMATS[_format_name(arguments)]
    failures = Failures()
    if is_stream(arguments.out):
        with _opened_stream(arguments.out, output_format) as out_stream:
            state = _to_stream(job, output_format, out_stream, failures, arguments.quiet)
    else:
        state = _to_resumable(client, job, arguments, failures)
    if not arguments.quiet:
        failures.print()
    return exit_code_of_state(state.state)


def _to_resumable(client: Client, job: Job, arguments: argparse.Namespace, failures: Failures) -> JobState:
    name = _format_name(arguments)
    identity = {"url": client.url, "job": job.id, "format": name}
    with ResumableFile(Path(arguments.out), FORMATS[name], identity, arguments.restart) as out:
        if out.note.job_id is None:
            out.start(job.id, job.state.total)
        return _fill(job, out, failures, arguments.quiet)


def is_stream(out: str) -> bool:
    """Return whether the output cannot be resumed: stdout, a pipe or a device."""
    return out == STDIO or (os.path.exists(out) and not os.path.isfile(out) and not os.path.isdir(out))


@contextlib.contextmanager
def _opened_stream(out: str, output_format: Format) -> Iterator[io.BufferedIOBase]:
    if output_format.finish is not None:
        raise ValueError("parquet cannot be written to stdout or a pipe: use --out FILE")
    if out == STDIO:
        yield sys.stdout.buffer  # type: ignore[misc]
        return
    with open(out, "wb") as stream:
        yield stream


def _to_file(client: Client, arguments: argparse.Namespace, out: ResumableFile, failures: Failures) -> JobState:
    if out.note.job_id is None:
        job = _submit(client, arguments, out.note.idempotency_key)
        out.start(job.id, job.state.total)
    else:
        job = client.job(out.note.job_id)
        if not arguments.quiet:
            _print_note(f"resuming {job.id} after {out.note.written_items:,} of {job.state.total:,} rows")
    try:
        return _fill(job, out, failures, arguments.quiet)
    except KeyboardInterrupt:
        _print_note(f"interrupted after {out.note.written_items:,} of {job.state.total:,} rows")
        _print_note(f"the service continues {job.id}; run the same command again to get the other rows")
        raise


def _submit(client: Client, arguments: argparse.Namespace, idempotency_key: str | None) -> Job:
    body = _body(arguments.sources, bool(arguments.fit))
    if body.skipped and not arguments.quiet:
        more = f" … and {len(body.skipped) - MAX_NAMED} more" if len(body.skipped) > MAX_NAMED else ""
        files = "1 file" if len(body.skipped) == 1 else f"{len(body.skipped)} files"
        _print_note(f"skipped {files}: {', '.join(body.skipped[:MAX_NAMED])}{more}")
    options: ClassifyOptions = {
        **options_of(arguments),
        "timeout_s": arguments.expire_s,
        "among": read_among(arguments),
    }
    with Bar("sending", "B", body.size_bytes, quiet=arguments.quiet) as bar:
        return client.submit_body(
            with_progress(body, bar),
            idempotency_key=idempotency_key,
            **options,
        )


def _body(sources: Sequence[str], fit: bool) -> Body:
    if STDIO not in sources:
        return body_of_paths([path for source in sources for path in _expand(source)], fit)
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


def _fill(job: Job, out: ResumableFile, failures: Failures, quiet: bool) -> JobState:
    """Write all remaining rows. Blocks until the job is final."""
    with Bar("results", " images", job.state.total, out.note.written_items, quiet=quiet) as bar:
        for items in job.pages(out.note.written_items):
            if items:
                out.write(items)
                failures.add(items)
            bar.show(out.note.written_items)
    state = job.wait()
    out.finish()
    return state


def _to_stream(job: Job, output_format: Format, out: io.BufferedIOBase, failures: Failures, quiet: bool) -> JobState:
    try:
        out.write(output_format.head(job.state.total))
        written = 0
        with Bar("results", " images", job.state.total, quiet=quiet) as bar:
            for items in job.pages():
                out.write(output_format.rows(items))
                out.flush()
                failures.add(items)
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
        "among": read_among(arguments),
        "accept": arguments.accept,
        "resize": arguments.resize,
        "top": arguments.top,
        "format": name,
    }


def _print_summary(arguments: argparse.Namespace, state: JobState, seconds: float) -> None:
    if arguments.json and not is_stream(arguments.out):
        job = {name: state.raw.get(name) for name in ("id", "state", "total", "counts", "model")}
        print(json.dumps(job | {"out": arguments.out, "seconds": round(seconds, 3)}))
    elif not arguments.quiet:
        counts = ", ".join(f"{count:,} {name}" for name, count in state.counts.items() if count)
        _print_note(f"{state.total:,} images in {seconds:.1f} s: {counts}; {state.model}, {state.id}")
        if state.reason:
            _print_note(f"the job failed: {state.reason}")


def _print_note(text: str) -> None:
    print(f"mnistified: {printable(text)}", file=sys.stderr)
