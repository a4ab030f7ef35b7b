"""The picture of a terminal: well-formed, safe, light, and with nothing from elsewhere."""

import re
from xml.etree import ElementTree

import pytest

from tools.recording.__main__ import PICTURE
from tools.recording.screen import Event, rows_over_time
from tools.recording.svg import picture

SVG = "{http://www.w3.org/2000/svg}"
MAX_BYTES = 200_000


def drawn(events: list[Event]) -> ElementTree.Element:
    return ElementTree.fromstring(picture(rows_over_time(events, 20), 20, title="a & b"))  # noqa: S314


def test_each_text_is_hidden_until_it_comes_and_all_but_the_last_go_again() -> None:
    groups = drawn([Event(1, "10 %"), Event(3, "\rdone")]).findall(f"{SVG}g")
    assert [(group.get("class"), group.get("style"), "".join(group.itertext())) for group in groups] == [
        ("gone", "animation-duration:2.00s;animation-delay:1.00s", "10 %"),
        ("kept", "animation-duration:3.00s", "done"),
    ]


def test_what_a_command_prints_is_text_and_no_markup() -> None:
    assert "".join(drawn([Event(1, "<b> &amp;")]).findall(f"{SVG}g")[0].itertext()) == "<b> &amp;"


def test_half_cells_are_drawn_a_rectangle_for_each_run_of_a_grey() -> None:
    (group,) = drawn([Event(1, "\x1b[38;5;232;48;5;255m▀▀\x1b[38;5;255;48;5;255m▀\x1b[0m")]).findall(f"{SVG}g")
    assert [(rectangle.get("width"), rectangle.get("fill")) for rectangle in group] == [
        ("16.8", "#080808"),
        ("8.4", "#eeeeee"),
        ("25.2", "#eeeeee"),
    ]


def test_other_colors_are_refused() -> None:
    with pytest.raises(ValueError, match="two greys"):
        drawn([Event(1, "\x1b[38;5;9;48;5;9m▀\x1b[0m")])


def test_the_recording_is_light_and_fetches_nothing() -> None:
    text = PICTURE.read_text()
    assert len(text.encode()) < MAX_BYTES
    assert ElementTree.fromstring(text).tag == f"{SVG}svg"  # noqa: S314
    assert not re.search(r"@import|@font-face|url\(|href|<script|<image", text)
