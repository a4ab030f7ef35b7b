"""The commands `watch` and `cancel`, which take the id of a job."""

import argparse
import json

from mnistified.client import Client
from mnistified.commands.exit_codes import OK, exit_code_of_state
from mnistified.commands.progress import Bar
from mnistified.results import JobState

POLL_INTERVAL_S = 0.5


def watch(client: Client, arguments: argparse.Namespace) -> int:
    """Block until the job is final. With `--json`, print a line whenever more images are finished."""
    job = client.job(arguments.id)
    printed = -1
    with Bar(job.id, " images", job.state.total, job.state.finished, quiet=arguments.quiet) as bar:
        while not job.state.final:
            if arguments.json and job.state.finished != printed:
                print(json.dumps(job.state.raw), flush=True)
                printed = job.state.finished
            job.refresh(wait_s=POLL_INTERVAL_S)
            bar.show(job.state.finished)
    _print(job.state, arguments.json)
    return exit_code_of_state(job.state.state)


def cancel(client: Client, arguments: argparse.Namespace) -> int:
    """Cancel a job. A final job does not change."""
    _print(client.job(arguments.id).cancel(), arguments.json)
    return OK


def _print(state: JobState, as_json: bool) -> None:
    if as_json:
        print(json.dumps(state.raw))
        return
    counts = ", ".join(f"{count} {name}" for name, count in state.counts.items() if count)
    why = f": {state.reason}" if state.reason else ""
    print(f"{state.id}: {state.state}, {counts or 'nothing'} of {state.total}{why}")
