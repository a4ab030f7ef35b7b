"""The whole test set on one wall: read by a job, filtered, and navigated by keyboard."""

import pytest
from playwright.sync_api import Page, expect

from shared.data.dataset import Split
from tests.browser.acts import open_view
from tests.browser.test_draw import FRAMES
from tests.support.registries import DEFAULT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

READ_MS = 120_000  # that ten thousand images may take on a machine that has other things to do


def published_mistakes() -> int:
    accuracy = DEFAULT.card["accuracy"]
    assert accuracy is not None
    assert accuracy["dataset"] == "mnist"
    return int(accuracy["images"] - accuracy["correct"])


@pytest.fixture
def wall(page: Page) -> Page:
    """The view with all its pictures loaded."""
    with page.expect_response(
        lambda reply: "/mnist/sheet?offset=9000" in reply.url or "sample" in reply.headers.get("x-dataset", "")
    ):
        open_view(page, "test-set")
    expect(page.locator("#tally")).to_contain_text("Not read yet")
    return page


def view(page: Page) -> tuple[str | None, str | None]:
    """Return the number of tiles and the position of the selected one, as screen readers get them."""
    option = page.locator("#wall [role=option]")
    return option.get_attribute("aria-setsize"), option.get_attribute("aria-posinset")


def read_all(page: Page) -> None:
    page.locator("#read-all").click()
    expect(page.locator("#tally")).to_contain_text("right", timeout=READ_MS)


def test_ten_thousand_images_are_read_with_the_published_number_of_mistakes(
    wall: Page, mnist: Split, capsys: pytest.CaptureFixture[str]
) -> None:
    steps: list[str] = []
    wall.expose_function("record", lambda text: steps.append(text))
    wall.evaluate(
        "() => new MutationObserver(() => record(document.querySelector('#tally').textContent))"
        ".observe(document.querySelector('#tally'), {childList: true})"
    )
    wall.evaluate(FRAMES)
    read_all(wall)
    frames_ms = sorted(wall.evaluate("window.frames_ms")[1:])
    mistakes = published_mistakes()
    expect(wall.locator("#tally")).to_contain_text(f"{len(mnist.images):,} read by {DEFAULT.ref}")
    expect(wall.locator("#tally")).to_contain_text(f"{mistakes} mistakes")
    expect(wall.locator("#tally")).to_contain_text("as published")
    expect(wall.get_by_role("button", name="Mistakes")).to_have_text(f"Mistakes {mistakes}")
    counts = {int(step.split(" of ")[0].replace(",", "")) for step in steps if " of " in step}
    assert len(counts) > 2, f"it filled in step by step: {steps}"
    with capsys.disabled():
        print(
            f"\nthe wall of {len(mnist.images)}: {wall.locator('#tally').inner_text()}; frames: median "
            f"{frames_ms[len(frames_ms) // 2]:.1f} ms, 95 of 100 within {frames_ms[int(len(frames_ms) * 0.95)]:.1f} ms"
        )


def test_mistakes_are_browsed_by_keys_alone(wall: Page, mnist: Split) -> None:
    read_all(wall)
    wall.get_by_role("button", name="Mistakes").focus()
    wall.keyboard.press("Enter")
    while wall.evaluate("document.activeElement.getAttribute('role')") != "listbox":
        wall.keyboard.press("Tab")
    assert view(wall) == (str(published_mistakes()), "1")
    wall.keyboard.press("ArrowRight")
    expect(wall.locator("#wall [role=option]")).to_contain_text("a mistake")
    wall.keyboard.press("Enter")
    details = wall.locator("#details")
    expect(details).to_be_visible()
    title = details.locator("h2").inner_text()
    index = int(title.removeprefix("Image ").replace(",", ""))
    expect(details.locator(".truth")).to_have_text(f"Labelled {mnist.labels[index]}")
    expect(details.locator("[data-part=sure]")).to_contain_text("% sure")
    assert details.locator("[data-part=digit]").inner_text() != str(mnist.labels[index])
    expect(wall.locator("#details.wrong")).to_be_visible()
    wall.keyboard.press("End")
    expect(details.locator("h2")).not_to_have_text(title)
    while not wall.evaluate("document.querySelector('#details').contains(document.activeElement)"):
        wall.keyboard.press("Tab")
    wall.keyboard.press("Escape")
    expect(details).to_be_hidden()
    assert wall.evaluate("document.activeElement.getAttribute('role')") == "listbox"


def test_images_are_browsed_by_label_and_opened_by_a_click(wall: Page, test_set: Split) -> None:
    sevens = [index for index, label in enumerate(test_set.labels) if label == 7]
    wall.get_by_role("button", name="7", exact=True).click()
    wall.locator("#wall canvas").first.click(position={"x": 300, "y": 60})
    assert view(wall)[0] == str(len(sevens))
    title = wall.locator("#details h2")
    expect(title).to_contain_text("Image")
    assert int(title.inner_text().removeprefix("Image ").replace(",", "")) in sevens
    expect(wall.locator("#details .truth")).to_have_text("Labelled 7")
    expect(wall.locator("#details [data-part=sure]")).to_contain_text("% sure")
