"""Redis's protocol, packed and parsed by hiredis, for connections that bypass redis-py's slow command path."""

from typing import Any

import hiredis

from shared.redis.errors import parse_error
from shared.redis.script import Command


def new_reader(**options: Any) -> hiredis.Reader:
    """Return a parser of replies. An error is a reply, too: the exception that redis-py would raise."""
    return hiredis.Reader(replyError=parse_error, **options)


def pack(command: Command) -> bytes:
    """Return a command as Redis reads it. hiredis accepts str, int, float and bytes, but no other buffers."""
    packed: bytes = hiredis.pack_command(command)  # type: ignore[arg-type]
    return packed
