"""Progress bars on stderr if it is a terminal."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from mnistified.http.exchange import Body


class Bar:
    """A progress bar with the rate and the remaining time, hidden if `quiet`. The unit "B" is shown as KiB and MiB."""

    def __init__(self, label: str, unit: str, total: int | None, done: int = 0, *, quiet: bool) -> None:
        self._done = done
        self._bar: Any = None
        if sys.stderr.isatty() and not quiet:
            from tqdm import tqdm  # a late import, because it takes as long as a small job

            bytes_options = {"unit_scale": True, "unit_divisor": 1024} if unit == "B" else {}
            options: dict[str, Any] = {"leave": False, "dynamic_ncols": True, **bytes_options}
            self._bar = tqdm(desc=label, total=total, initial=done, unit=unit, file=sys.stderr, **options)

    def show(self, done: int) -> None:
        """Set the number of finished units."""
        if self._bar is not None:
            self._bar.update(done - self._done)
        self._done = done

    def __enter__(self) -> "Bar":
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()


def with_progress(body: Body, bar: Bar) -> Body:
    """Return a body that updates `bar` while it is sent. A retry starts again at 0."""

    def chunks() -> Iterator[bytes]:
        sent_bytes = 0
        for chunk in body.chunks():
            yield chunk
            sent_bytes += len(chunk)
            bar.show(sent_bytes)

    return replace(body, chunks=chunks)
