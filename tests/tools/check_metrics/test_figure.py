"""The picture of a check is well-formed, and shows what it is given."""

from xml.etree import ElementTree

from tools.check_metrics.figure import MAX_LINES, Chart, picture


def drawn(*charts: Chart) -> "ElementTree.Element":
    return ElementTree.fromstring(picture("All <of> it", charts, [(5.0, "harm & more")], 0.0, 10.0))  # noqa: S314


def texts(root: "ElementTree.Element") -> list[str]:
    return [text.text or "" for text in root.iter("{http://www.w3.org/2000/svg}text")]


def lines(root: "ElementTree.Element") -> list[str]:
    return [line.get("points", "") for line in root.iter("{http://www.w3.org/2000/svg}polyline")]


def test_a_chart_has_its_title_its_lines_and_their_names() -> None:
    root = drawn(Chart("Is it well?", "none", {"yes": [(0.0, 1.0), (2.0, 3.0)], "no": [(0.0, 2.0), (2.0, 0.0)]}))
    assert {"Is it well?", "yes", "no", "1: harm & more", "3", "0"} <= set(texts(root))
    first, second = lines(root)
    assert first.split()[1].split(",")[1] == "30.0", "the largest value is at the top"
    assert second.split()[1].split(",")[1] == "146.0", "and 0 at the bottom"


def test_a_line_has_a_gap_if_nothing_was_measured() -> None:
    assert len(lines(drawn(Chart("Gone?", "none", {"up": [(0.0, 1.0), (1.0, 1.0), (8.0, 1.0), (9.0, 1.0)]})))) == 2


def test_of_many_lines_the_largest_are_drawn() -> None:
    root = drawn(Chart("Many?", "none", {f"line {number}": [(0.0, float(number))] for number in range(20)}))
    assert len(lines(root)) == MAX_LINES
    assert "line 19" in texts(root)
    assert "line 0" not in texts(root)


def test_short_times_are_in_milliseconds() -> None:
    assert "20 ms" in texts(drawn(Chart("How long?", "s", {"p50": [(0.0, 0.02)]})))
    assert "2 s" in texts(drawn(Chart("How long?", "s", {"p50": [(0.0, 2.0)]})))


def test_a_chart_of_nothing_is_drawn_too() -> None:
    assert lines(drawn(Chart("Nothing?", "none", {}), Chart("Nothing else?", "none", {"empty": []}))) == []
