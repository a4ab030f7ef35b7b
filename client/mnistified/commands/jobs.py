"""`watch` and `cancel`: jobs by their id."""

import argparse
import json

from mnistified.client import Client
from mnistified.commands.exits import OK, exit_code_of_state
from mnistified.commands.progress import Bar
from mnistified.results import JobState

LOOK_EVERY_S = 0.5


def watch(client: Client, arguments: argparse.Namespace) -> int:
    """Until the job is final; with --json a line each time that there is something new."""
    job = client.job(arguments.id)
    told = -1
    with Bar(job.id, " images", job.state.total, job.state.finished) as bar:
        while not job.state.final:
            if arguments.json and job.state.finished != told:
                print(json.dumps(job.state.raw), flush=True)
                told = job.state.finished
            job.refresh(wait_s=LOOK_EVERY_S)
            bar.show(job.state.finished)
    _print(job.state, arguments.json)
    return exit_code_of_state(job.state.state)


def cancel(client: Client, arguments: argparse.Namespace) -> int:
    """A job that is final stays as it is."""
    _print(client.job(arguments.id).cancel(), arguments.json)
    return OK


def _print(state: JobState, as_json: bool) -> None:
    if as_json:
        print(json.dumps(state.raw))
        return
    counts = ", ".join(f"{count} {name}" for name, count in state.counts.items() if count)
    print(f"{state.id}: {state.state}, {counts or 'nothing'} of {state.total}")
