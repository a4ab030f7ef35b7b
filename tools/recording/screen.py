"""The rows of a terminal over time."""

import re
from collections.abc import Iterable
from typing import NamedTuple

PIECE = re.compile(r"\x1b\[(?:38;5;(\d+);48;5;(\d+)|0)m|(.)", re.DOTALL)


class Event(NamedTuple):
    at_s: float
    text: str


class Cell(NamedTuple):
    letter: str
    colors: tuple[int, int] | None  # foreground and background, of the 256 terminal colours; None for the default


class Line(NamedTuple):
    """The content of a row from a point in time."""

    from_s: float
    cells: tuple[Cell, ...]


BLANK = Cell(" ", None)


def rows_over_time(events: Iterable[Event], columns: int) -> list[list[Line]]:
    """Return for each row its contents in order. Rows never scroll away.

    Carriage return, new line, wrapping and what the client colors with are understood. Raises ValueError for other
    control characters: what is shown would be wrong.
    """
    screen: list[list[Cell]] = [[]]
    rows: list[list[Line]] = [[]]
    row = column = 0
    colors: tuple[int, int] | None = None
    cut_off = ""
    for at_s, text in events:
        changed = set()
        whole, cut_off = _whole(cut_off + text)
        for front, ground, letter in PIECE.findall(whole):
            if letter == "\r":
                column = 0
            elif letter == "\n":
                row += 1
            elif not letter:
                colors = (int(front), int(ground)) if front else None
            elif not letter.isprintable():
                raise ValueError(f"a terminal would do something with {letter!r} that is not understood here")
            else:
                if column == columns:
                    row, column = row + 1, 0
                while len(screen) <= row:
                    screen.append([])
                    rows.append([])
                screen[row].extend([BLANK] * (column + 1 - len(screen[row])))
                screen[row][column] = Cell(letter, colors)
                column += 1
                changed.add(row)
        for number in changed:
            rows[number].append(Line(at_s, _trimmed(screen[number])))
    return [_distinct(each) for each in rows]


def _whole(text: str) -> tuple[str, str]:
    """Split `text` from the unfinished color code at its end."""
    start = text.rfind("\x1b")
    return (text, "") if start < 0 or "m" in text[start:] else (text[:start], text[start:])


def _trimmed(cells: list[Cell]) -> tuple[Cell, ...]:
    end = len(cells)
    while end and cells[end - 1] == BLANK:
        end -= 1
    return tuple(cells[:end])


def _distinct(lines: list[Line]) -> list[Line]:
    """Drop lines that are only visible for an instant, and lines that change nothing."""
    kept: list[Line] = []
    for line in lines:
        if kept and kept[-1].from_s == line.from_s:
            kept.pop()
        if not kept or kept[-1].cells != line.cells:
            kept.append(line)
    return kept
