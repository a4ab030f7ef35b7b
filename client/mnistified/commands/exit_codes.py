"""The exit codes of the command line, and the form of its messages."""

import re

from mnistified.errors import MnistifiedError, ServiceFailed, Unreachable

OK = 0
SOME_FAILED = 1
USAGE = 2
REFUSED = 3
UNAVAILABLE = 4
INTERRUPTED = 130
PIPE_CLOSED = 141

MEANINGS = {
    OK: "every image has an answer",
    SOME_FAILED: "an image has no answer: it is unreadable, or its job was cancelled or has expired",
    USAGE: "the arguments are wrong, or a local file cannot be used",
    REFUSED: "the service refuses the request: a key, an id, a model, a limit",
    UNAVAILABLE: "the service is unreachable, fails or is full, also after retries",
    INTERRUPTED: "interrupted; the service continues with the job",
}


_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def for_the_command_line(text: str) -> str:
    """Return a message of the service with the options of the command line instead of parameters."""
    return text.replace("?fit=digit", "--fit").replace("fit=digit", "--fit")


def printable(text: str) -> str:
    """Return a text in one line, such as a file name, without characters that control the terminal."""
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text)


def exit_code_of(error: MnistifiedError) -> int:
    busy = getattr(error, "status", 0) == 429
    return UNAVAILABLE if busy or isinstance(error, Unreachable | ServiceFailed) else REFUSED


def exit_code_of_state(state: str) -> int:
    """Return the exit code for the final state of a job."""
    return OK if state == "done" else SOME_FAILED
