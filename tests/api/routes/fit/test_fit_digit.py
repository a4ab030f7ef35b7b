"""`?fit=digit` over HTTP."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from shared.data.dataset import Split
from tests.api.routes.test_bulk import FILE_REQUESTS
from tests.support.system import System
from tests.support.uploads import idx, image_file, npy
from tools.fit_accuracy.mnist_frames import mnist_frames

FIT = {"fit": "digit"}
PAPER = image_file(Image.new("L", (300, 200), 240))


@pytest.fixture(scope="module")
def frames(test_set: Split) -> list[bytes]:
    images = mnist_frames(test_set.images[:5], 1)
    return [image_file(Image.fromarray(frame.astype(np.uint8))) for frame in images]


def test_a_picture_of_any_size_is_classified_and_what_the_model_saw_is_shown(
    system: System, test_set: Split, frames: list[bytes]
) -> None:
    for index, frame in enumerate(frames):
        reply = system.http.post("/mnist/classify", params=FIT | {"show": "fitted"}, content=frame).json()
        assert reply["prediction"] == test_set.labels[index]
        fitted = Image.open(io.BytesIO(base64.b64decode(reply["fitted"])))
        assert (fitted.format, fitted.mode, fitted.size) == ("PNG", "L", (28, 28))
        again = system.http.post("/mnist/classify", content=base64.b64decode(reply["fitted"])).json()
        np.testing.assert_allclose(again["debug"]["probabilities"], reply["debug"]["probabilities"], atol=1e-4)
    assert "fitted" not in system.http.post("/mnist/classify", params=FIT, content=frames[0]).json()


def test_without_fit_another_size_stays_a_400_that_names_the_way_out(system: System, frames: list[bytes]) -> None:
    reply = system.http.post("/mnist/classify", content=frames[0])
    assert reply.status_code == 400
    assert "640×480" in reply.json()["detail"]
    assert "?fit=digit" in reply.json()["detail"]


def test_paper_without_ink_is_a_400_and_too_many_pixels_too(system: System) -> None:
    large = image_file(Image.new("1", (4200, 4200)))
    for body, said in ((PAPER, "no digit found"), (large, "more than 16777216 pixels"), (b"hello", "not an image")):
        reply = system.http.post("/mnist/classify", params=FIT, content=body)
        assert reply.status_code == 400
        assert said in reply.json()["detail"]


@pytest.mark.parametrize("params", [{"fit": "cat"}, {"fit": ""}, FIT | {"show": "me"}, {"show": "fitted"}])
@pytest.mark.parametrize("path", ["/mnist/classify", "/mnist/classify/bulk"])
def test_other_values_are_a_422(system: System, frames: list[bytes], path: str, params: dict[str, str]) -> None:
    assert system.http.post(path, params=params, content=frames[0]).status_code == 422


def test_what_a_job_or_a_later_reply_cannot_show_is_a_422(system: System, frames: list[bytes]) -> None:
    show, asynchronous = FIT | {"show": "fitted"}, {"Prefer": "respond-async"}
    assert system.http.post("/mnist/classify/bulk", params=show, content=frames[0]).status_code == 422
    for reply in (
        system.http.post("/mnist/classify", params=show, content=frames[0], headers=asynchronous),
        system.http.get("/mnist/classify/3", params=show, headers=asynchronous),
    ):
        assert reply.status_code == 422
        assert "show=fitted is not possible with Prefer: respond-async" in reply.json()["detail"]


def test_test_images_are_fitted_too(system: System, test_set: Split) -> None:
    for path in ("/mnist/classify/3", "/mnist/3/classify"):
        reply = system.http.get(path, params=FIT | {"show": "fitted"}).json()
        assert reply["prediction"] == test_set.labels[3]
        assert Image.open(io.BytesIO(base64.b64decode(reply["fitted"]))).size == (28, 28)
    job_id = system.submit(params=FIT, json={"start": 0, "stop": 10})
    system.finished(job_id)
    assert [item["prediction"] for item in system.items(job_id)] == test_set.labels[:10].tolist()


@pytest.mark.usefixtures("mnist")
@pytest.mark.parametrize(
    ("upload_format", "count"),
    [("idx", 200), pytest.param("npy", 700, marks=[pytest.mark.slow, pytest.mark.long])],  # less than a chunk, and more
)
def test_black_on_white_arrays_are_brought_to_what_the_model_knows(
    system: System, test_set: Split, upload_format: str, count: int
) -> None:
    images = 255 - test_set.images[:count]
    images[7] = 240
    job_id = system.submit(params=FIT, content=npy(images) if upload_format == "npy" else idx(images))
    counts = system.finished(job_id)["counts"]
    assert (counts["failed"], counts["done"] + counts["unsure"]) == (1, count - 1)
    assert counts["unsure"] < 0.03 * count, "the version's rule holds for pictures that are fitted"
    items = system.items(job_id)
    assert "no digit found" in items[7]["error"]
    right = [item["prediction"] == label for item, label in zip(items, test_set.labels, strict=False)]
    assert np.mean(right) > 0.98


def test_a_single_asynchronous_picture_is_fitted_too(system: System, test_set: Split, frames: list[bytes]) -> None:
    headers = {"Prefer": "respond-async"}
    reply = system.http.post("/mnist/classify", params=FIT, content=frames[0], headers=headers)
    system.finished(reply.json()["id"])
    assert system.items(reply.json()["id"])[0]["prediction"] == test_set.labels[0]


@pytest.mark.parametrize("upload_format", ["multipart", "zip", "tar", "ndjson"])
def test_in_a_job_of_pictures_the_one_without_a_digit_fails_alone(
    system: System, test_set: Split, frames: list[bytes], upload_format: str
) -> None:
    files = {f"{index}.png": data for index, data in enumerate([*frames[:2], PAPER, *frames[2:]])}
    job_id = system.submit(params=FIT, **FILE_REQUESTS[upload_format](files))
    assert system.finished(job_id)["counts"] == {"done": 5, "unsure": 0, "failed": 1, "expired": 0, "cancelled": 0}
    items = system.items(job_id)
    assert "no digit found" in items.pop(2)["error"]
    assert [item["prediction"] for item in items] == test_set.labels[:5].tolist()
