import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from shared.data.dataset import Split
from tests.training.qa.answers import LABELS
from tests.training.qa.reports import judged
from training.qa.report import page
from training.qa.report.report import Check, Report

SPLIT = Split("sample", (np.arange(len(LABELS))[:, None, None] % 251 * np.ones((1, 28, 28))).astype(np.uint8), LABELS)


class Elements(HTMLParser):
    """A parser that collects all elements and asserts that every tag is closed."""

    VOID = ("meta", "img", "br", "line", "rect", "circle", "polyline")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


@pytest.fixture(params=[True, False])
def report(request: pytest.FixtureRequest) -> Report:
    return judged(request.param)


def test_the_page_fetches_and_runs_nothing(report: Report) -> None:
    html = page.render(report, SPLIT)
    elements = Elements(html).found
    policy = [each["content"] for tag, each in elements if tag == "meta" and "http-equiv" in each]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]
    assert not {"script", "link", "iframe", "object", "embed", "base", "form"} & {tag for tag, _ in elements}
    for _, attributes in elements:
        assert not [name for name in attributes if name.startswith("on") or name == "href"]
        assert (attributes.get("src") or "data:image/png;").startswith("data:image/png;")
    assert "://" not in html
    assert "url(" not in html
    assert "@import" not in html


def test_a_failure_is_shown_with_its_reason_and_the_champions_values() -> None:
    html = page.render(judged(passed=False), SPLIT)
    assert '<h1>cnn@2 <span class="failed">failed</span></h1>' in html
    assert "only 88.00% of the 5s are classified correctly" in html
    assert "<th>cnn@1</th>" in html
    assert re.search(r"<th>5</th>.*>88<.*>12<.*<td>88.00%</td><td>100.00%</td></tr>", html)


def test_mistakes_are_shown_with_their_images() -> None:
    html = page.render(judged(passed=False), SPLIT)
    section = html[html.index("Worst mistakes") : html.index("Correct in")]
    pictures = re.findall(r'<img src="data:image/png;base64,([^"]+)" alt="test image (\d+)">', section)
    assert [int(index) for _, index in pictures] == list(range(500, 512))
    for data, index in pictures:
        shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
        assert np.array_equal(shown, SPLIT.images[int(index)])
    assert "#500<br>5, read as 6 (0.96)" in section


def test_images_that_only_one_version_classifies_correctly_are_shown() -> None:
    html = page.render(judged(passed=False), SPLIT)
    gained = html.index("Correct in cnn@2, wrong in cnn@1")
    lost = html.index("Correct in cnn@1, wrong in cnn@2")
    assert re.findall(r'alt="test image (\d+)"', html[gained:lost]) == ["700"]
    assert re.findall(r'alt="test image (\d+)"', html[lost:]) == [str(index) for index in range(500, 512)]


def test_a_version_that_was_not_loaded_has_a_page_too() -> None:
    damaged = replace(
        judged(passed=False),
        checks=[Check("files", False, "model.tflite is <damaged> & gone")],
        reading=None,
        champion_reading=None,
        gained=[],
        lost=[],
    )
    html = page.render(damaged, SPLIT)
    Elements(html)
    assert "model.tflite is &lt;damaged&gt; &amp; gone" in html
    assert "<img" not in html


def test_without_a_champion_the_page_names_none() -> None:
    alone = replace(judged(passed=True), champion=None, champion_reading=None, checks=[Check("files", True, "")])
    html = page.render(alone, SPLIT)
    Elements(html)
    assert "cnn@1" not in html
    assert "champion’s" not in html


def test_a_label_without_images_has_no_recall(report: Report) -> None:
    assert report.reading is not None
    reading = replace(report.reading, confusion=[[0] * 10, *report.reading.confusion[1:]])
    assert page.render(replace(report, reading=reading), SPLIT).count("<td>no images</td>") == 2
