"""The option `--stage` of the `cascade` command."""

from argparse import ArgumentTypeError
from pathlib import Path
from typing import NamedTuple


class StageOption(NamedTuple):
    """A `--stage`: a folder of a version or a weights file, and the threshold if it is given."""

    path: Path
    accept_from: float | None


def parse_stage(text: str) -> StageOption:
    """Parse `PATH` or `PATH:0.8`. In `ensemble.keras:2`, the number is a member, because it has no dot."""
    path, colon, number = text.rpartition(":")
    if not colon or "." not in number or "/" in number:
        return StageOption(Path(text), None)
    try:
        accept_from = float(number)
    except ValueError:
        return StageOption(Path(text), None)
    if not 0 < accept_from <= 1:
        raise ArgumentTypeError(f"expected a threshold above 0 and up to 1, got {number}")
    return StageOption(Path(path), accept_from)
