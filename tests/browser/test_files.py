"""A folder of pictures as one job."""

from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from shared.data.sample import draw as draw_sample
from tests.api.routes.fit.test_numbers import page as number_page
from tests.browser.acts import open_view
from tests.support.registries import DEFAULT
from tests.support.uploads import image_file

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

COUNT = 12


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with digits, a blank page, a damaged picture, and a text file."""
    images, _ = draw_sample("test")
    for index in range(COUNT):
        picture = Image.fromarray(255 - images[index]).resize((280, 280), Image.Resampling.BICUBIC)
        picture.save(tmp_path / f"digit-{index}.png")
    Image.new("L", (200, 200), 230).save(tmp_path / "paper.png")
    (tmp_path / "torn.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


def test_a_folder_is_read_and_the_page_reports_what_failed(page: Page, folder: Path) -> None:
    open_view(page, "files")
    expect(page.locator("#drop")).to_contain_text("Drop pictures or a whole folder here.")
    page.set_input_files("#choose-folder", folder)
    tally = page.locator("#files-tally")
    expect(tally).to_contain_text(f"{COUNT} pictures read by {DEFAULT.ref}", timeout=60_000)
    expect(tally).to_contain_text("1 without a digit")
    expect(tally).to_contain_text("1 could not be read: select one to see why")
    expect(tally).to_contain_text("1 other file skipped")


def test_each_picture_shows_its_digit_and_opens(page: Page, folder: Path) -> None:
    _, labels = draw_sample("test")
    open_view(page, "files")
    page.set_input_files("#choose-files", [folder / f"digit-{index}.png" for index in (3, 5)])
    expect(page.locator("#files-tally")).to_contain_text("2 pictures read", timeout=60_000)
    option = page.locator("#files-wall [role=option]")
    page.locator("#files-wall [role=listbox]").focus()
    for key, index in (("Home", 3), ("ArrowRight", 5)):
        page.keyboard.press(key)
        expect(option).to_contain_text(f"digit-{index}.png: {labels[index]},")
    page.keyboard.press("Enter")
    details = page.locator("#files-details")
    expect(details.locator("h2")).to_have_text("digit-5.png")
    expect(details.locator("[data-part=digit]")).to_have_text(str(labels[5]))
    assert details.locator("img.picture").evaluate("(image) => image.decode().then(() => image.naturalWidth)") == 280


def test_numbers_are_read_as_a_job_and_each_digit_has_its_box_over_the_photo(page: Page, tmp_path: Path) -> None:
    for text in ("505", "27"):
        (tmp_path / f"{text}.png").write_bytes(image_file(number_page(text)))
    Image.new("L", (200, 200), 230).save(tmp_path / "paper.png")
    open_view(page, "files")
    page.get_by_label("Each shows").select_option("number")
    expect(page.locator("#files-model")).to_be_disabled()
    page.set_input_files("#choose-files", [tmp_path / name for name in ("27.png", "505.png", "paper.png")])
    tally = page.locator("#files-tally")
    expect(tally).to_contain_text("2 pictures read by number@", timeout=60_000)
    expect(tally).to_contain_text("1 without a number")
    page.locator("#files-wall [role=listbox]").focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#files-wall [role=option]")).to_contain_text("505.png: 505,")
    page.keyboard.press("Enter")
    details = page.locator("#files-details")
    expect(details.locator("[data-part=digit]")).to_have_text("505")
    expect(details.locator("figure.seen")).to_be_hidden()
    boxes = details.locator("rect")
    expect(boxes).to_have_count(3)
    photo = details.locator("img.picture").bounding_box()
    places = [box.bounding_box() for box in boxes.all()]
    assert photo
    lefts = [place["x"] for place in places if place]
    assert photo["x"] < lefts[0] < lefts[1] < lefts[2] < photo["x"] + photo["width"]


def test_files_that_are_no_pictures_start_no_job(page: Page, folder: Path) -> None:
    open_view(page, "files")
    page.set_input_files("#choose-files", folder / "notes.txt")
    expect(page.locator("#files-tally")).to_have_text("1 file, none of them a picture.")
    expect(page.locator("#files-results")).to_be_hidden()
