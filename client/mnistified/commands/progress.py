"""Progress bars on stderr, where it is a terminal; nothing at all where it is not."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from mnistified.http.exchange import Body


class Bar:
    """With the rate and the time left. `unit` is of what is counted; B counts in KiB and MiB."""

    def __init__(self, label: str, unit: str, total: int | None, done: int = 0) -> None:
        self._done = done
        self._bar: Any = None
        if sys.stderr.isatty():
            from tqdm import tqdm  # only here: importing it takes as long as a small job

            bytes_options = {"unit_scale": True, "unit_divisor": 1024} if unit == "B" else {}
            options: dict[str, Any] = {"leave": False, "dynamic_ncols": True, **bytes_options}
            self._bar = tqdm(desc=label, total=total, initial=done, unit=unit, file=sys.stderr, **options)

    def show(self, done: int) -> None:
        """How many there are now, of all."""
        if self._bar is not None:
            self._bar.update(done - self._done)
        self._done = done

    def __enter__(self) -> "Bar":
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()


def shown(body: Body, bar: Bar) -> Body:
    """The body, shown by `bar` as it is sent; a retry starts again from nothing."""

    def pieces() -> Iterator[bytes]:
        sent_bytes = 0
        for piece in body.pieces():
            yield piece
            sent_bytes += len(piece)
            bar.show(sent_bytes)

    return replace(body, pieces=pieces)
