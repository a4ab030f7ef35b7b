"""The command line `mnistified`, or `python -m mnistified`: see docs/command-line.md."""

import argparse
import os
import sys

from mnistified.client import Client
from mnistified.commands.exit_codes import INTERRUPTED, PIPE_CLOSED, USAGE, exit_code_of, for_the_command_line
from mnistified.commands.parser import parse
from mnistified.errors import MnistifiedError
from mnistified.http.exchange import Pause

MIN_SHOWN_PAUSE_S = 0.1  # shorter pauses are those between two polls of a job


def main(argv: list[str] | None = None) -> int:
    """Run a command and return its exit code."""
    arguments = parse(argv)
    try:
        return _run(arguments)
    except MnistifiedError as error:
        return _fail(for_the_command_line(str(error)), exit_code_of(error))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # discards output that is not flushed yet
        return PIPE_CLOSED
    except OSError as error:
        return _fail(f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error), USAGE)
    except ValueError as error:
        return _fail(str(error), USAGE)
    except KeyboardInterrupt:
        return INTERRUPTED


def _run(arguments: argparse.Namespace) -> int:
    exit_code: int
    if "run_alone" in arguments:  # needs no service
        exit_code = arguments.run_alone(arguments)
        return exit_code
    with Client(arguments.url, timeout_s=arguments.timeout, retries=arguments.retries) as client:
        if not arguments.quiet:
            client.on_pause = _print_pause
        exit_code = arguments.run(client, arguments)
        return exit_code


def _print_pause(pause: Pause) -> None:
    if pause.seconds >= MIN_SHOWN_PAUSE_S:
        print(f"mnistified: {pause.reason}; trying again in {pause.seconds:.1f} s", file=sys.stderr, flush=True)


def _fail(text: str, exit_code: int) -> int:
    print(f"mnistified: {text}", file=sys.stderr)
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
