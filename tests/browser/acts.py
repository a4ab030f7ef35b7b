"""The actions of a user on the page."""

from collections.abc import Sequence

from playwright.sync_api import Locator, Page, expect

from tools.fit_accuracy.rendered import Point, parse_strokes

SEVEN = parse_strokes("28,25 72,25 62,45 50,65 42,80")
THREE = parse_strokes("30,22 50,17 68,25 66,40 50,48 68,56 70,72 50,82 30,76")


def draw(page: Page, strokes: Sequence[Sequence[Point]], steps: int = 4) -> None:
    """Draw with the mouse. `steps` is the number of moves from each point to the next."""
    box = page.locator("#pad").bounding_box()
    assert box is not None, "the pad is not to be seen"
    for stroke in strokes:
        first, *rest = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]
        page.mouse.move(*first)
        page.mouse.down()
        for x, y in rest:
            page.mouse.move(x, y, steps=steps)
        page.mouse.up()


def reading(page: Page, part: str) -> Locator:
    """Return a part of the reading in the view "Draw"."""
    return page.locator(f"#draw-reading [data-part={part}]")


def expect_read(page: Page, digit: int) -> None:
    expect(reading(page, "digit")).to_have_text(str(digit), timeout=15_000)
    expect(page.locator("#draw-reading [data-part=bars] li.best .name")).to_have_text(str(digit))


def open_view(page: Page, name: str) -> None:
    """Open a view by its link at the top."""
    page.locator(f'.tabs a[href="#{name}"]').click()
    expect(page.locator(f"#view-{name}")).to_be_visible()
