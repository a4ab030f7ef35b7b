"""Lua scripts that are called with the names of their keys and arguments.

A script declares both, each in one statement and in the order in which Redis passes them:

    local stream, queued = unpack(KEYS)
    local group, entry_id = unpack(ARGV, 1, 2)

A bound after the names is for a script that takes any number of values after the named ones, here from `ARGV[3]` on.
"""

import hashlib
import re
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Self

Value = str | bytes | bytearray | memoryview | int | float
Call = tuple[str, int, *tuple[Value, ...]]
Command = tuple[Value, ...]

_DECLARATION = re.compile(r"^local ([\w,\s]+?)\s*=\s*unpack\((KEYS|ARGV)(?:, 1, (\d+))?\)$", re.MULTILINE)
_REST = re.compile(r"= (\d+), #(KEYS|ARGV)|unpack\((KEYS|ARGV), (\d+)\)")
_POSITION = re.compile(r"(?:KEYS|ARGV)\[\d")


class Script:
    """One Lua script. Calling it returns the arguments of EVAL, `prepare` a faster way to make EVALSHA commands.

    EVAL sends the whole script, so that a Redis that was restarted needs no second round trip. EVALSHA needs a
    connection that loads the script when it is opened (`worker/batching/direct_connection.py`).
    """

    def __init__(self, name: str, source: str) -> None:
        """Raises ValueError if the declarations cannot be read or contradict the rest of the script."""
        self.name = name
        self.source = source
        self.sha = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()
        self.keys, self._takes_more_keys = self._declared("KEYS")
        self.args, self._takes_more_args = self._declared("ARGV")
        self.names = self.keys + self.args
        self._expected = frozenset(self.names)
        if len(self._expected) != len(self.names):
            raise ValueError(f"{name} declares a name twice: {', '.join(self.names)}")
        if position := _POSITION.search(source):
            raise ValueError(f"{name} reads {position[0]}…] by its position: expected a declared name")

    @classmethod
    def read(cls, path: Path) -> Self:
        return cls(path.name, path.read_text())

    def __call__(self, more_keys: Sequence[str] = (), more_args: Sequence[Value] = (), **values: Value) -> Call:
        """Order `values` as the script declares them. Raises TypeError for a name that is missing or unknown."""
        self._check(values)
        if (more_keys and not self._takes_more_keys) or (more_args and not self._takes_more_args):
            raise TypeError(f"{self.name} takes no values after {', '.join(self.names)}")
        ordered = [values[name] for name in self.names]
        ordered[len(self.keys) : len(self.keys)] = more_keys
        ordered += more_args
        return self.source, len(self.keys) + len(more_keys), *ordered

    def prepare(self, *names: str, **values: Value) -> Callable[..., Command]:
        """Return a function that takes the values of `names` in this order, then more ARGV, and returns an EVALSHA.

        The other values are fixed. Raises TypeError for a name that is missing or unknown.
        """
        self._check(dict.fromkeys(names, "") | values)
        head: Command = ("EVALSHA", self.sha, len(self.keys))
        template = [*head, *(values.get(name, "") for name in self.names)]
        places = [len(head) + self.names.index(name) for name in names]

        def command(*given: Value) -> Command:
            filled = template.copy()
            for place, value in zip(places, given, strict=False):
                filled[place] = value
            return (*filled, *given[len(places) :])

        return command

    def _check(self, values: Collection[str]) -> None:
        if set(values) != self._expected:
            raise TypeError(f"{self.name} was called with {sorted(values)}, expected {sorted(self.names)}")

    def _declared(self, table: str) -> tuple[tuple[str, ...], bool]:
        """Return the names that are read from `table`, and whether further values may follow them."""
        declarations = [found for found in _DECLARATION.finditer(self.source) if found[2] == table]
        if len(declarations) > 1:
            raise ValueError(f"{self.name} declares {table} {len(declarations)} times: expected one statement")
        names = tuple(re.split(r",\s*", declarations[0][1])) if declarations else ()
        bound = declarations[0][3] if declarations else None
        starts = {int(found[1] or found[4]) for found in _REST.finditer(self.source) if table in (found[2], found[3])}
        if bound is not None and int(bound) != len(names):
            raise ValueError(f"{self.name} declares {len(names)} names of {table} and a bound of {bound}")
        if starts - {len(names) + 1} or bool(starts) != (bound is not None):
            raise ValueError(f"{self.name} reads {table} from {sorted(starts)} on, after {len(names)} declared names")
        return names, bool(starts)
