"""`?fit=number` over HTTP: one number, jobs of numbers, and valid strings."""

import io
from collections import Counter
from random import Random
from typing import Any

import pytest
from PIL import Image, ImageDraw, ImageFont

from shared.models import registry
from tests.support.processes import ROOT
from tests.support.system import System
from tests.support.uploads import image_file

RULE = registry.load_version(ROOT / "models", "number").card["acceptance"]["threshold"]
NUMBER = {"fit": "number"}
ANY = NUMBER | {"accept": "0"}
PAPER = image_file(Image.new("L", (300, 200), 240))


def page(text: str, size: tuple[int, int] = (700, 240)) -> Image.Image:
    image = Image.new("L", size, 250)
    draw, font, left = ImageDraw.Draw(image), ImageFont.load_default(120), 60
    for digit in text:
        draw.text((left, 50), digit, 20, font)
        left += 90
    return image


def read(system: System, picture: bytes, **params: str) -> dict[str, Any]:
    reply = system.http.post("/mnist/classify", params=NUMBER | params, content=picture)
    assert reply.status_code == 200, reply.text
    answer: dict[str, Any] = reply.json()
    return answer


def test_a_number_is_read_with_the_box_of_each_digit(system: System) -> None:
    answer = read(system, image_file(page("2053")), accept="0")
    assert answer["text"] == "2053"
    assert [digit["digit"] for digit in answer["digits"]] == [2, 0, 5, 3]
    boxes = [digit["box"] for digit in answer["digits"]]
    for index, (left, top, width, height) in enumerate(boxes):
        assert 60 + 90 * index <= left <= left + width <= 60 + 90 * (index + 1)
        assert 50 <= top <= top + height <= 200
        assert height > 70
    assert 0 < answer["confidence"] <= 1
    assert answer["confident"] is (answer["confidence"] >= RULE)
    assert answer["guesses"][0] == {"text": "2053", "confidence": answer["confidence"]}
    assert answer["model"].startswith("number@")


def test_boxes_are_in_pixels_of_the_picture_as_it_was_sent(system: System) -> None:
    small = read(system, image_file(page("71")))["digits"]
    large = read(system, image_file(page("71").resize((2100, 720))))["digits"]
    for one, other in zip(small, large, strict=True):
        assert [3 * side for side in one["box"]] == pytest.approx(other["box"], abs=12)


def test_the_most_likely_valid_string_is_answered(system: System) -> None:
    picture = image_file(page("471"))
    answer = read(system, picture, among="471,477,12,990", accept="0.5")
    assert (answer["text"], answer["state"]) == ("471", "done")
    assert answer["confidence"] > 0.5
    other = read(system, picture, among="20,8888,365")
    assert (other["text"], other["state"], other["confident"]) == (None, "unsure", False)
    assert read(system, picture, among="20,8888,365", accept="0")["state"] == "done"
    assert read(system, picture, accept="1")["state"] == "unsure"


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"among": "12"}, "among=… requires fit=number"),
        (NUMBER | {"among": "12,3a"}, "among has '3a': expected 1 to 16 digits"),
        (NUMBER | {"among": "12,,3"}, "among has ''"),
        (NUMBER | {"among": "12,٣"}, "among has '٣'"),
        (NUMBER | {"among": "1" * 17}, "expected 1 to 16 digits"),
        (NUMBER | {"among": "7,12,7"}, "among has 7 more than once"),
        (NUMBER | {"among": ",".join(map(str, range(1001)))}, "among has 1001 strings, and may have 1000"),
        ({"fit": "numbers"}, "expected fit=digit or fit=number"),
        (NUMBER | {"show": "fitted"}, "show=fitted requires fit=digit"),
    ],
)
@pytest.mark.parametrize("path", ["/mnist/classify", "/mnist/classify/bulk"])
def test_wrong_parameters_are_a_422_that_names_them(
    system: System, path: str, params: dict[str, str], said: str
) -> None:
    reply = system.http.post(path, params=params, content=PAPER)
    assert reply.status_code == 422
    assert said in reply.json()["detail"]


def test_layers_of_a_number_are_a_422(system: System) -> None:
    reply = system.http.post("/mnist/classify", params=NUMBER | {"verbose": "1"}, content=PAPER)
    assert reply.status_code == 422
    assert "not possible with fit=number" in reply.json()["detail"]


def test_a_thousand_valid_strings_are_possible(system: System) -> None:
    strings = [f"{number:06}" for number in Random(1).sample(range(10**6), 999)]
    answer = read(system, image_file(page("204817")), among=",".join([*strings, "204817"]))
    assert answer["text"] == "204817"


def test_a_picture_without_a_number_is_a_400(system: System) -> None:
    reply = system.http.post("/mnist/classify", params=NUMBER, content=PAPER)
    assert (reply.status_code, "no digit found" in reply.json()["detail"]) == (400, True)


def test_a_test_image_is_a_number_of_one_digit(system: System) -> None:
    answer = system.http.get("/mnist/classify/3", params=ANY).json()
    assert answer["text"] == str(system.http.get("/mnist/label/3").json()["label"])
    assert answer["index"] == 3


def test_a_number_can_be_a_job(system: System) -> None:
    reply = system.http.post(
        "/mnist/classify", params=ANY, content=image_file(page("88")), headers={"Prefer": "respond-async"}
    )
    assert (reply.status_code, reply.json()["total"]) == (202, 1)
    system.finished(reply.json()["id"])
    (item,) = system.items(reply.json()["id"])
    assert (item["state"], item["text"], item["prediction"]) == ("done", "88", None)


def test_each_picture_of_a_job_is_one_item(system: System) -> None:
    texts = [str(number) for number in range(10, 31)]
    files = [("images", (f"{text}.png", image_file(page(text)))) for text in texts]
    files.insert(5, ("images", ("paper.png", PAPER)))
    job_id = system.submit(params=ANY, files=files)
    job = system.finished(job_id)
    assert (job["total"], job["counts"]["done"], job["counts"]["failed"]) == (22, 21, 1)
    items = system.items(job_id)
    assert [item["index"] for item in items] == list(range(22))
    assert items[5]["state"] == "failed"
    assert [item["name"] for item in items if item["state"] == "done"] == [f"{text}.png" for text in texts]
    read = [item["text"] for item in items if item["state"] == "done"]
    assert sum(text == right for text, right in zip(read, texts, strict=True)) >= 17
    page_of = system.http.get(f"/results/{job_id}/items", params={"offset": 7, "limit": 3}).json()["items"]
    assert page_of == items[7:10]


def scribble() -> Image.Image:
    image = Image.new("L", (700, 240), 250)
    random = Random(3)
    draw = ImageDraw.Draw(image)
    draw.line([(random.randrange(80, 620), random.randrange(40, 200)) for _ in range(40)], 20, 9)
    return image


@pytest.mark.parametrize("params", [{}, {"accept": "0.9"}, {"accept": "0"}, {"accept": "1"}, {"among": "2053,88,7"}])
def test_the_counts_of_a_job_are_the_states_of_its_numbers(system: System, params: dict[str, str]) -> None:
    pictures = [page("2053"), scribble(), page("88"), scribble().rotate(90), page("471")]
    files = [("images", (f"{index}.png", image_file(picture))) for index, picture in enumerate(pictures)]
    files.append(("images", ("paper.png", PAPER)))
    job_id = system.submit(params=NUMBER | params, files=files)
    job = system.finished(job_id)
    states = Counter(item["state"] for item in system.items(job_id))
    assert {state: count for state, count in job["counts"].items() if count} == states
    assert (job["total"], job["progress"], states["failed"]) == (6, 1, 1)
    if params in ({}, {"among": "2053,88,7"}):
        assert states["unsure"] >= 1 <= states["done"]


def test_the_valid_strings_of_a_job_are_those_of_each_picture(system: System) -> None:
    files = [("images", (f"{text}.png", image_file(page(text)))) for text in ("47", "111", "505")]
    job_id = system.submit(params=NUMBER | {"among": "505,47,111,9"}, files=files)
    system.finished(job_id)
    assert [item["text"] for item in system.items(job_id)] == ["47", "111", "505"]


def test_images_of_an_array_are_numbers_too(system: System, test_set: Any) -> None:
    job_id = system.submit(params=ANY, json={"start": 0, "stop": 12})
    job = system.finished(job_id)
    assert (job["total"], job["counts"]["done"]) == (12, 12)
    read = [item["text"] for item in system.items(job_id)]
    assert sum(text == str(label) for text, label in zip(read, test_set.labels, strict=False)) >= 10


def test_a_rotated_photo_has_upright_boxes(system: System) -> None:
    file = io.BytesIO()
    exif = Image.Exif()
    exif[274] = 6  # to be rotated by 90° clockwise
    page("35").rotate(90, expand=True).save(file, "JPEG", exif=exif)
    answer = read(system, file.getvalue(), accept="0")
    assert answer["text"] == "35"
    assert answer["digits"][0]["box"][0] < answer["digits"][1]["box"][0]


@pytest.mark.parametrize("size", [(700, 240), (1400, 480)])
def test_several_digits_are_not_one_and_the_reply_says_what_reads_them(system: System, size: tuple[int, int]) -> None:
    picture = image_file(page("47").resize(size))
    answer = system.http.post("/mnist/classify", params={"fit": "digit"}, content=picture).json()
    assert (answer["prediction"], answer["state"]) == (None, "unsure")
    assert "fit=number" in answer["advice"]
