"""A digit is read while it is drawn, by mouse, pen, finger or keyboard."""

import itertools
import re
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, Request, Route, expect

from shared.data.sample import draw as draw_sample
from tests.api.routes.fit.test_numbers import page as number_page
from tests.browser.acts import SEVEN, THREE, draw, expect_read, reading
from tests.browser.conftest import OpenPage
from tests.support.registries import DEFAULT
from tests.support.system import System
from tests.support.uploads import image_file

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

CLASSIFY = "**/mnist/classify?fit=digit*"
PAINTED = """
(pad) => pad.getContext("2d").getImageData(0, 0, pad.width, pad.height).data.filter((_, at) => at % 4 === 3)
  .reduce((sum, alpha) => sum + (alpha > 0), 0)
"""
BLUE = """
(pad) => { const data = pad.getContext("2d").getImageData(0, 0, pad.width, pad.height).data; let blue = 0;
  for (let at = 0; at < data.length; at += 4) blue += data[at + 2] > data[at] + 100 && data[at + 3] > 0;
  return blue; }
"""
FRAMES = """
() => { window.frames_ms = []; let last = performance.now();
  const each = (now) => { window.frames_ms.push(now - last); last = now; requestAnimationFrame(each); };
  requestAnimationFrame(each); }
"""


def ink_of(page: Page) -> float:
    """Return the mean of the model's 28×28 input, from 0 to 255."""
    got = reading(page, "seen").evaluate(
        "(canvas) => Array.from(canvas.getContext('2d').getImageData(0, 0, 28, 28).data)"
    )
    return float(np.array(got).reshape(28, 28, 4)[..., 0].mean())


def test_a_seven_is_read_as_a_seven(page: Page) -> None:
    expect(reading(page, "sure")).to_have_text("Nothing yet")
    draw(page, SEVEN)
    expect_read(page, 7)
    expect(reading(page, "sure")).to_contain_text("% sure")
    expect(reading(page, "how")).to_contain_text(f"{DEFAULT.ref} in")
    assert 5 < ink_of(page) < 120, "white on black, as MNIST has it"
    page.locator("#pad-clear").click()
    expect(reading(page, "sure")).to_have_text("Nothing yet")
    assert ink_of(page) == 0
    draw(page, THREE)
    expect_read(page, 3)


def test_a_drawing_below_the_threshold_is_unsure_and_has_guesses(page: Page) -> None:
    page.route(CLASSIFY, lambda route: route.continue_(url=f"{route.request.url}&accept=1"))
    draw(page, SEVEN)
    expect(reading(page, "sure")).to_contain_text("unsure, perhaps 7")
    expect(reading(page, "digit")).to_have_text("?")


def test_a_seven_by_finger_is_one_too(open_page: OpenPage, system: System) -> None:
    page = open_page(system, viewport={"width": 375, "height": 812}, has_touch=True, is_mobile=True)
    box = page.locator("#pad").bounding_box()
    assert box is not None
    devtools = page.context.new_cdp_session(page)
    (stroke,) = SEVEN
    for kind, (x, y) in [("touchStart", stroke[0]), *(("touchMove", point) for point in stroke[1:])]:
        point = {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]}
        devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
    devtools.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    expect_read(page, 7)


def test_a_seven_by_keys_alone_and_taken_back(page: Page) -> None:
    while page.evaluate("document.activeElement.id") != "pad":
        page.keyboard.press("Tab")
    for key in [*["ArrowLeft"] * 6, " ", *["ArrowRight"] * 12, *["ArrowDown", "ArrowDown", "ArrowLeft"] * 7, " "]:
        page.keyboard.press(key)
    expect_read(page, 7)
    expect(page.locator("#heard")).to_contain_text("Read as 7")
    page.keyboard.press("Backspace")
    expect(reading(page, "sure")).to_have_text("Nothing yet")


def test_one_request_is_under_way_at_a_time_and_the_newest_drawing_comes_last(page: Page) -> None:
    under_way: list[Request] = []
    most = sent = 0

    def slowly(route: Route, request: Request) -> None:
        nonlocal most, sent
        under_way.append(request)
        sent += 1
        most = max(most, len(under_way))
        time.sleep(0.25)
        under_way.remove(request)
        route.continue_()

    page.route(CLASSIFY, slowly)
    draw(page, SEVEN, steps=15)
    expect_read(page, 7)
    assert most == 1
    assert 1 < sent < 15, "read while it was drawn, not once for each move"


def test_the_frames_keep_coming_while_somebody_draws(page: Page, capsys: pytest.CaptureFixture[str]) -> None:
    page.evaluate(FRAMES)
    draw(page, [*SEVEN, *THREE], steps=10)
    frames_ms = sorted(page.evaluate("window.frames_ms").copy()[1:])
    median_ms, slow_ms = frames_ms[len(frames_ms) // 2], frames_ms[int(len(frames_ms) * 0.95)]
    with capsys.disabled():
        print(f"\ndrawing: {1000 / median_ms:.0f} frames/s (median), 95 of 100 frames within {slow_ms:.1f} ms")
    assert len(frames_ms) > 10


def test_a_photo_is_fitted_and_read(page: Page, tmp_path: Path) -> None:
    images, labels = draw_sample("test")
    digit = Image.fromarray(255 - images[3]).resize((1400, 1400), Image.Resampling.BICUBIC)
    noise = np.random.default_rng(1).integers(0, 30, (1800, 2200, 3), np.uint8)
    paper = Image.fromarray(225 - noise)
    paper.paste(Image.merge("RGB", [digit] * 3).point(lambda value: int(value * 0.82)), (400, 200))
    paper.save(tmp_path / "photo.png")
    assert (tmp_path / "photo.png").stat().st_size > 1 << 20, "more than the service takes: the page makes it smaller"
    page.set_input_files("#photo", tmp_path / "photo.png")
    expect_read(page, int(labels[3]))


def test_a_picture_without_a_digit_is_reported(page: Page) -> None:
    blank = image_file(Image.new("RGB", (300, 300), (210, 210, 205)))
    page.set_input_files("#photo", {"name": "blank.png", "mimeType": "image/png", "buffer": blank})
    expect(reading(page, "sure")).to_have_text("No digit found")
    expect(page.locator("#trouble")).to_be_hidden()


@pytest.mark.parametrize(
    ("file", "title", "reason"),
    [
        (("notes.txt", "text/plain", b"no picture"), "notes.txt is not a picture", "Drop a photo"),
        (("photo.jpg", "image/jpeg", b"\xff\xd8\xff\xe0 no more"), "Not read", "is not an image"),
    ],
    ids=["text", "damaged"],
)
def test_a_file_that_cannot_be_read_is_named_with_the_reason(
    page: Page, file: tuple[str, str, bytes], title: str, reason: str
) -> None:
    name, media_type, content = file
    page.set_input_files("#photo", {"name": name, "mimeType": media_type, "buffer": content})
    expect(reading(page, "sure")).to_have_text(title)
    expect(reading(page, "how")).to_contain_text(reason)


def test_a_picture_that_only_the_service_can_open_is_read(page: Page) -> None:
    images, labels = draw_sample("test")
    tiff = image_file(Image.fromarray(255 - images[3]).resize((280, 280), Image.Resampling.BICUBIC), "TIFF")
    page.set_input_files("#photo", {"name": "scan.tiff", "mimeType": "image/tiff", "buffer": tiff})
    expect_read(page, int(labels[3]))
    expect(page.locator("#pad-caption")).to_have_text("scan.tiff (this browser cannot show it)")


def test_an_image_of_the_test_set_needs_no_hand_and_is_named(page: Page) -> None:
    page.locator("#pick").click()
    expect(reading(page, "sure")).to_contain_text("% sure")
    expect(page.locator("#pad-caption")).to_contain_text(re.compile(r"^Test image [\d,]+, labelled \d$"))
    assert ink_of(page) > 1
    draw(page, SEVEN)
    expect(page.locator("#pad-caption")).to_have_text("")


def test_the_pen_has_three_widths(page: Page) -> None:
    black = []
    for pen in ("thin", "medium", "thick"):
        page.locator("#pen").select_option(pen)
        page.locator("#pad-clear").click()
        draw(page, SEVEN)
        expect_read(page, 7)
        black.append(page.locator("#pad").evaluate(PAINTED))
    assert black == sorted(set(black)), "a thicker pen paints more"


def test_another_version_is_compared_and_the_layers_are_shown(page: Page) -> None:
    draw(page, SEVEN)
    expect_read(page, 7)
    reading(page, "other").select_option("cnn-small@1")
    expect(reading(page, "compared-text")).to_contain_text("cnn-small@1 agrees: 7", timeout=30_000)
    expect(page.locator("#draw-reading [data-part=other-bars] li.best .name")).to_have_text("7")
    reading(page, "look").click()
    layers = page.locator("#draw-reading .layer img")
    expect(layers.nth(3)).to_be_visible()
    names = page.locator("#draw-reading .layer strong").all_inner_texts()
    assert names[0] == "input"
    assert names[-1] in {f"stage-{number}/probabilities" for number in (1, 2, 3)}, "of the stage that decided"
    expect(page.locator("#draw-reading .layers > p")).to_contain_text("the output of each layer")
    expect(page.locator("#draw-reading .layer").last).to_contain_text("the probability of each digit")
    widths = [image.evaluate("(image) => image.naturalWidth") for image in itertools.islice(layers.all(), 4)]
    assert all(width >= 28 for width in widths)
    reading(page, "model").select_option("seed@1")
    expect(reading(page, "how")).to_contain_text("seed@1 in", timeout=30_000)


def test_a_number_has_a_box_around_each_digit(page: Page, tmp_path: Path) -> None:
    photo = tmp_path / "number.png"
    photo.write_bytes(image_file(number_page("505")))
    page.locator("#kind").select_option("number")
    page.locator("#photo").set_input_files(photo)
    expect(reading(page, "sure")).to_contain_text(re.compile("sure"))
    expect(reading(page, "look")).to_be_disabled()
    assert page.locator("#pad").evaluate(BLUE) > 500
    page.locator("#kind").select_option("digit")
    expect(reading(page, "look")).to_be_enabled()
