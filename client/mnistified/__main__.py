"""The command line `mnistified`, or `python -m mnistified`: see docs/command-line.md."""

import argparse
import errno
import os
import sys

from mnistified.client import Client
from mnistified.commands.exit_codes import (
    INTERRUPTED,
    PIPE_CLOSED,
    USAGE,
    exit_code_of,
    for_the_command_line,
    printable,
)
from mnistified.commands.parser import parse
from mnistified.errors import MnistifiedError
from mnistified.http.exchange import Pause

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)  # errors of writing, which do not name the file
MIN_SHOWN_PAUSE_S = 0.1  # shorter pauses are those between two polls of a job


def main(argv: list[str] | None = None) -> int:
    """Run a command and return its exit code."""
    _open_closed_streams()
    arguments = parse(argv)
    try:
        exit_code = _run(arguments)
        sys.stdout.flush()
        return exit_code
    except MnistifiedError as error:
        return _fail(for_the_command_line(str(error)), exit_code_of(error))
    except BrokenPipeError:
        _discard_output()
        return PIPE_CLOSED
    except OSError as error:
        if error.errno in NO_ROOM:
            _discard_output()
        return _fail(_reason(error), USAGE)
    except ValueError as error:
        return _fail(str(error), USAGE)
    except KeyboardInterrupt:
        return INTERRUPTED


def _open_closed_streams() -> None:
    """Read nothing from a closed standard input, and discard what is printed to a closed output, as by `>&-`."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115  # until the process ends


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


def _discard_output() -> None:
    """Discard output that is not flushed yet: Python would try again, and print a traceback."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _reason(error: OSError) -> str:
    if error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return f"the output cannot be written: {error.strerror}" if error.errno in NO_ROOM else str(error)


def _print_pause(pause: Pause) -> None:
    if pause.seconds >= MIN_SHOWN_PAUSE_S:
        print(f"mnistified: {pause.reason}; trying again in {pause.seconds:.1f} s", file=sys.stderr, flush=True)


def _fail(text: str, exit_code: int) -> int:
    print(f"mnistified: {printable(text)}", file=sys.stderr)
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
