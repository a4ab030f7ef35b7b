"""Pictures for a version that takes other images than MNIST's."""

import base64
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, Route, expect

from tests.browser.acts import open_view
from tests.browser.conftest import OpenPage
from tests.support.system import System
from tests.support.uploads import image_file

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

CIFAR = {"width": 32, "height": 32, "channels": 3, "labels": 10}
ANSWER: dict[str, Any] = {
    "prediction": 3,
    "label": "cat",
    "confidence": 0.75,
    "best": [
        {"prediction": 3, "label": "cat", "probability": 0.75},
        {"prediction": 5, "label": "dog", "probability": 0.25},
    ],
    "model": "cifar@1",
    "elapsed_time_ms": 2.0,
    "fitted": base64.b64encode(image_file(np.zeros((32, 32, 3), np.uint8))).decode(),
}


@pytest.fixture
def others(open_page: OpenPage, system: System) -> Page:
    """The page of a service that also has cifar@1."""

    status = system.http.get("/status").json()
    status["models"]["cifar"] = [1]
    status["other_models"]["cifar@1"] = CIFAR
    page = open_page(system)
    page.route(re.compile(r"/status$"), lambda route: route.fulfill(json=status))
    page.reload()
    return page


def test_there_is_no_such_view_without_such_a_version(page: Page) -> None:
    expect(page.locator("#draw-reading [data-part=model] option").first).to_be_attached()
    expect(page.locator("#others-tab")).to_be_hidden()


def test_its_tab_makes_no_page_wider_than_a_phone(others: Page) -> None:
    others.set_viewport_size({"width": 375, "height": 812})
    expect(others.locator("#others-tab")).to_be_attached()
    expect(others.locator("#others-tab")).not_to_have_attribute("hidden", "")
    assert others.evaluate("document.documentElement.scrollWidth") <= 375


def test_pictures_show_their_best_labels(others: Page, tmp_path: Path) -> None:
    asked = []

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(json=ANSWER)

    others.route("**/models/cifar%401/classify*", answer)
    open_view(others, "others")
    expect(others.locator("#others-lead")).to_have_text("cifar@1 takes 32×32 pixels in colour, and knows 10 labels.")
    Image.new("RGB", (60, 40), (200, 0, 0)).save(tmp_path / "tom.png")
    others.set_input_files("#others-files", tmp_path / "tom.png")
    row = others.locator("#others-list > li")
    expect(row.locator(".sure")).to_have_text("cat")
    expect(row.locator(".how")).to_contain_text("tom.png, by cifar@1 in 2.0 ms")
    expect(row.locator(".best-labels li")).to_have_text(["cat75.0 %", "dog25.0 %"])
    assert asked[0].endswith("/models/cifar%401/classify?show=fitted&resize=crop")
    expect(others.locator("#draw-reading [data-part=model] option[value='cifar@1']")).to_have_count(0)


def test_a_picture_that_is_refused_says_why(others: Page, tmp_path: Path) -> None:
    detail = "expected a 32×32 image"
    problem = {"title": "Not a classifiable image", "detail": detail}
    others.route("**/models/cifar%401/classify*", lambda route: route.fulfill(status=400, json=problem))
    open_view(others, "others")
    Image.new("RGB", (60, 40)).save(tmp_path / "wide.png")
    others.set_input_files("#others-files", tmp_path / "wide.png")
    expect(others.locator("#others-list .fault")).to_have_text(f"wide.png: {detail}")
