"""A hostile request body and the expected answer."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

SINGLE = "/mnist/classify"
BULK = "/mnist/classify/bulk"
MODEL = re.compile(r"/models/[^/:]+")


@dataclass(frozen=True, slots=True)
class Case:
    """A body that is refused with 4xx, or a job with failing images. A `harmless` body may also be accepted.

    If `reads_items`, the items of the job are read, too, and count as another input.
    """

    group: str
    name: str
    body: bytes
    path: str = BULK
    content_type: str = ""
    harmless: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    reads_items: bool = False

    @property
    def route(self) -> str:
        return MODEL.sub(r"/models/{ref}", self.path.partition("?")[0])


def is_asked(group: str, only: Iterable[str]) -> bool:
    """Return whether a group's name contains one of the texts."""
    return any(text in group for text in only)


def cases(
    group: str, bodies: Iterable[tuple[str, bytes]], path: str = BULK, content_type: str = "", harmless: bool = False
) -> Iterator[Case]:
    for name, body in bodies:
        yield Case(group, name, body, path, content_type, harmless)
