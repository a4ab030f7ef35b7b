"""Reads a nested JSON list of numbers into an array, in bounded memory and without long calls that hold the GIL.

A parser of whole documents makes an object per number and blocks the event loop until its end, even in a thread: 58 MB
took 1 GiB and 13 s. Here, the brackets are compared as text, and the numbers are read in pieces.
"""

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

PIECE_BYTES = 64 << 10  # read in one call: a few milliseconds
MAX_DIMENSIONS = 8
_SPACES = b" \t\r\n"
_NUMBERS = b"0123456789+-.eE"
_INTEGERS = msgspec.json.Decoder(list[int])
_FLOATS = msgspec.json.Decoder(list[float])


class NotNumbers(ValueError):
    """The JSON holds something that is no number."""


class Ragged(ValueError):
    """The lists have different lengths, so that they are no array."""


def read_numbers(text: bytes, name: str | None = None) -> npt.NDArray[Any]:
    """Return a regular nested list as int64 or float64. `text` is valid JSON. Raises NotNumbers or Ragged.

    With a `name`, each element may be an object with the list under this name only. About five times the size of `text`
    is in memory, and up to 16 times if it is mostly commas.
    """
    compact = text.translate(None, _SPACES)
    if name is not None and b"{" in compact:
        compact = compact.replace(b'{"%b":' % name.encode(), b"").replace(b"}", b"")
    brackets = compact.translate(None, _NUMBERS)
    if brackets.translate(None, b"[],"):
        raise NotNumbers("expected numbers")
    shape = _shape_of(brackets)
    del brackets
    integers = not any(mark in compact for mark in (b".", b"e", b"E"))
    flat = compact.translate(None, b"[]")
    del compact
    count = flat.count(b",") + 1
    if np.prod(shape, dtype=np.float64) != count:
        raise Ragged("the lists have different lengths")
    numbers = np.empty(count, np.int64 if integers else np.float64)
    decoder: msgspec.json.Decoder[Any] = _INTEGERS if integers else _FLOATS
    at = start = 0
    while start < len(flat):
        end = flat.find(b",", start + PIECE_BYTES)
        end = len(flat) if end < 0 else end
        at = _read_piece(decoder, flat[start:end], numbers, at)
        start = end + 1
    if at != count:
        raise Ragged("a list is empty")
    return numbers.reshape(shape)


def _read_piece(decoder: msgspec.json.Decoder[Any], piece: bytes, numbers: npt.NDArray[Any], at: int) -> int:
    """Read numbers that are separated by commas into `numbers` from `at` on. Return the position after them."""
    try:
        values = decoder.decode(b"[%b]" % piece)
        numbers[at : at + len(values)] = values
    except (msgspec.DecodeError, OverflowError, ValueError):  # two commas in a row, or a number out of range
        raise NotNumbers("expected numbers") from None
    return at + len(values)


def _shape_of(brackets: bytes) -> tuple[int, ...]:
    """Return the shape of a list of which only brackets and commas are left. Raises Ragged for some that have none.

    An innermost list is looked up, and all that are equal become elements of the lists around them, until none is left.
    """
    depth = len(brackets) - len(brackets.lstrip(b"["))
    shape: list[int] = []
    while brackets and len(shape) < min(depth, MAX_DIMENSIONS):
        end = brackets.index(b"]") + 1
        innermost = brackets[brackets.rindex(b"[", 0, end) : end]
        shape.insert(0, len(innermost) - 1)
        brackets = brackets.replace(innermost, b"")
    if brackets:
        raise Ragged("the lists have different lengths")
    return tuple(shape)
