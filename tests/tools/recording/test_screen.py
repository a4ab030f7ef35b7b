"""The rows of a terminal over time."""

import pytest

from tools.recording.screen import Cell, Event, rows_over_time


def texts(events: list[Event], columns: int = 80) -> list[list[tuple[float, str]]]:
    rows = rows_over_time(events, columns)
    return [[(line.from_s, "".join(cell.letter for cell in line.cells)) for line in row] for row in rows]


def test_lines_come_one_below_the_other() -> None:
    assert texts([Event(1, "a\r\nb"), Event(2, "c\r\n")]) == [[(1, "a")], [(1, "b"), (2, "bc")]]


def test_a_progress_bar_writes_over_itself_and_is_wiped_out() -> None:
    events = [Event(1, "\r10 %"), Event(2, "\r100 %"), Event(3, "\r     \rdone")]
    assert texts(events) == [[(1, "10 %"), (2, "100 %"), (3, "done")]]


def test_a_long_line_continues_in_the_next_row() -> None:
    assert texts([Event(1, "abcdef\r\ng")], columns=4) == [[(1, "abcd")], [(1, "ef")], [(1, "g")]]


def test_what_changes_nothing_and_what_lasts_no_time_is_left_out() -> None:
    assert texts([Event(1, "a"), Event(1, "b"), Event(2, "\rab"), Event(3, "c")]) == [[(1, "ab"), (3, "abc")]]


def test_colors_are_kept_also_if_their_codes_arrive_in_two_pieces() -> None:
    (row,) = rows_over_time([Event(1, "\x1b[38;5;2"), Event(2, "40;48;5;232m▀\x1b[0m-")], 80)
    assert row[-1].cells == (Cell("▀", (240, 232)), Cell("-", None))


def test_what_would_be_shown_wrongly_is_refused() -> None:
    with pytest.raises(ValueError, match="x1b"):
        rows_over_time([Event(1, "\x1b[2Jm")], 80)
