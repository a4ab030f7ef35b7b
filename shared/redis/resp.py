"""Redis's protocol, packed and parsed by hiredis, for connections that bypass redis-py's slow command path."""

from collections.abc import Callable
from typing import Any

import hiredis

from shared.redis.errors import parse_error
from shared.redis.script import Command, Script, Value


def new_reader(**options: Any) -> hiredis.Reader:
    """Return a parser of replies. An error is a reply, too: the exception that redis-py would raise."""
    return hiredis.Reader(replyError=parse_error, **options)


def pack(command: Command) -> bytes:
    """Return a command as Redis reads it. hiredis accepts str, int, float and bytes, but no other buffers."""
    packed: bytes = hiredis.pack_command(command)  # type: ignore[arg-type]
    return packed


def packer(script: Script, *names: str, **values: Value) -> Callable[..., bytes]:
    """Return a function that takes the values of `names` as bytes, and returns an EVALSHA as Redis reads it.

    `names` are the last ones that the script declares, in its order. The other values are packed only once.
    Raises TypeError for names that are missing, unknown or in another order.
    """
    first = script.names[: -len(names)]
    if (*first, *names) != script.names or set(values) != set(first):
        raise TypeError(f"{script.name} ends with {script.names[-len(names) :]}, and was called with {names}")
    command = ("EVALSHA", script.sha, len(script.keys), *(values[name] for name in first))
    start = b"*%d\r\n" % (len(command) + len(names)) + pack(command).partition(b"\r\n")[2]

    def pack_rest(*rest: bytes) -> bytes:
        parts = [start]
        for value in rest:
            parts += (b"$%d\r\n" % len(value), value, b"\r\n")
        return b"".join(parts)

    return pack_rest
