"""How the command line ends, for scripts to act on."""

from mnistified.errors import MnistifiedError, ServiceFailed, Unreachable

OK = 0
SOME_FAILED = 1  # an image has no answer, or its job was cancelled or has expired
USAGE = 2  # wrong arguments, or a file here that cannot be read or written; nothing was asked of the service
REFUSED = 3  # the service says no: a key, an id, a model, a limit
AWAY = 4  # no service there, or it fails, or is full, also after all retries
INTERRUPTED = 130
PIPE_CLOSED = 141

MEANINGS = {
    OK: "every image has an answer",
    SOME_FAILED: "an image has none: it is unreadable, or its job was cancelled or has expired",
    USAGE: "wrong arguments, or a file here that cannot be used",
    REFUSED: "the service refuses: a key, an id, a model, a limit",
    AWAY: "no service there, or it fails or is full, also after retries",
    INTERRUPTED: "interrupted; what was submitted goes on at the service",
}


def exit_code_of(error: MnistifiedError) -> int:
    busy = getattr(error, "status", 0) == 429
    return AWAY if busy or isinstance(error, Unreachable | ServiceFailed) else REFUSED


def exit_code_of_state(state: str) -> int:
    """Of a job that is final."""
    return OK if state == "done" else SOME_FAILED
