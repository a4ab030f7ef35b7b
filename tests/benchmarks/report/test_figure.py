"""The stacked picture of a request's time."""

from xml.etree import ElementTree

from benchmarks.report.figure import LEFT, RIGHT, WIDTH, stacked_picture, typical_parts
from tests.benchmarks.report.runs import one_round

SVG = "{http://www.w3.org/2000/svg}"


def parsed(picture: str) -> ElementTree.Element:
    return ElementTree.fromstring(picture)  # noqa: S314  # our own


def test_a_bar_for_each_number_of_connections_and_its_total() -> None:
    picture = parsed(stacked_picture(typical_parts([one_round(), one_round()])))
    texts = [text.text for text in picture.iter(f"{SVG}text")]
    assert "1 connection" in texts
    assert "16 connections" in texts
    assert texts.count("1 ms") == 2


def test_the_pieces_of_a_bar_fill_it() -> None:
    picture = parsed(stacked_picture(typical_parts([one_round()])))
    pieces = [piece for piece in picture.iter(f"{SVG}rect") if piece.find(f"{SVG}title") is not None]
    widths = [float(piece.attrib["width"]) for piece in pieces]
    assert len(widths) == 10
    assert abs(sum(widths[:5]) - (WIDTH - LEFT - RIGHT)) < 1
    assert float(pieces[1].attrib["x"]) - float(pieces[0].attrib["x"]) == widths[0]


def test_rounds_without_parts_have_no_bars() -> None:
    assert typical_parts([]) == {}
