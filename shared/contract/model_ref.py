"""A reference to a model or to one of its versions, as requests, entries, results and cards write it."""

import re
from typing import Self

import msgspec

VERSION = re.compile(r"[1-9][0-9]{0,8}")


class ModelRef(msgspec.Struct, frozen=True, order=True, gc=False):
    """`name`, `name@version` or `name@alias`.

    `label` follows the `@`: the number of a version, or the name of an alias, or nothing in a bare name.
    """

    name: str
    label: int | str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a reference. Every text is one: its name and its label need not exist."""
        name, _, label = text.partition("@")
        return cls(name, int(label) if VERSION.fullmatch(label) else label)

    def __str__(self) -> str:
        return self.name if self.label == "" else f"{self.name}@{self.label}"

    @property
    def is_version(self) -> bool:
        """Return whether the label is a number, so that the version is known without aliases and registry."""
        return isinstance(self.label, int)

    @property
    def version(self) -> int:
        """Return the number of the version. Raises ValueError if the label is none."""
        if not isinstance(self.label, int):
            raise ValueError(f"{self} names no version: expected name@number")
        return self.label
