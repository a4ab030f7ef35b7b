"""The actions of a user on the page."""

from collections.abc import Sequence

from playwright.sync_api import Locator, Page, expect

Point = tuple[float, float]  # shares of the pad's side

SEVEN: list[list[Point]] = [[(0.28, 0.25), (0.72, 0.25), (0.62, 0.45), (0.5, 0.65), (0.42, 0.8)]]
THREE: list[list[Point]] = [
    [
        (0.3, 0.22),
        (0.5, 0.17),
        (0.68, 0.25),
        (0.66, 0.4),
        (0.5, 0.48),
        (0.68, 0.56),
        (0.7, 0.72),
        (0.5, 0.82),
        (0.3, 0.76),
    ]
]


def draw(page: Page, strokes: Sequence[Sequence[Point]], steps: int = 8) -> None:
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
