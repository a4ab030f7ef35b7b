"""One image over HTTP, through Redis and a real worker, and back."""

import asyncio
import base64
import gzip
import json
import subprocess
import zlib
from pathlib import Path

import httpx
import numpy as np
import pytest
from starlette.types import Message

from api.http.bodies import read_body
from shared.data.dataset import Split
from shared.errors import BadUpload
from tests.api.images.fit.test_fit import photo as drawn_photo
from tests.support.registries import DEFAULT
from tests.support.system import System
from tests.support.uploads import image_file

ERROR_TYPE = "application/problem+json"


@pytest.mark.parametrize("path", ["/mnist/classify/{}", "/mnist/{}/classify"])
@pytest.mark.parametrize("index", [0, 7, 42])
def test_a_test_image_is_classified_by_its_index(system: System, test_set: Split, path: str, index: int) -> None:
    reply = system.http.get(path.format(index))
    assert reply.status_code == 200
    result = reply.json()
    assert result["prediction"] == test_set.labels[index]
    assert len(result["debug"]["probabilities"]) == 10
    assert sum(result["debug"]["probabilities"]) == pytest.approx(1, abs=1e-4)
    assert np.argmax(result["debug"]["probabilities"]) == result["prediction"]
    assert 0 < result["elapsed_time_ms"] < 60_000
    assert result["dataset"] == test_set.name


def test_mnist_answers_as_documented(system: System, mnist: Split) -> None:
    answers = {index: system.http.get(f"/mnist/classify/{index}").json()["prediction"] for index in (7, 42, 5000)}
    assert answers == {7: 9, 42: 4, 5000: 3}


@pytest.mark.parametrize("image_format", ["PNG", "GIF", "TIFF", "BMP", "WEBP", "JPEG"])
def test_every_image_format_gets_the_answer_of_its_pixels(system: System, test_set: Split, image_format: str) -> None:
    file = image_file(test_set.images[42], image_format, lossless=True, quality=95)
    result = system.http.post("/mnist/classify", content=file).json()
    assert result["prediction"] == test_set.labels[42]


IN_RANGE = {
    "16 bits holding 0 to 255": lambda image: image.astype(np.uint16),
    "16 bits holding 0 to 1023": lambda image: image.astype(np.uint16) * 4,
    "16 bits holding 0 to 4095": lambda image: image.astype(np.uint16) * 16,
    "floats with a mean of zero": lambda image: ((image - image.mean()) / image.std()).astype(np.float32),
}


@pytest.mark.parametrize("name", IN_RANGE)
def test_images_with_any_meaning_of_their_numbers_are_answered(system: System, test_set: Split, name: str) -> None:
    for index in (2, 7, 42):
        file = image_file(IN_RANGE[name](test_set.images[index]), "TIFF")
        assert system.http.post("/mnist/classify", content=file).json()["prediction"] == test_set.labels[index]


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_blank_image_is_never_answered(system: System, level: int) -> None:
    noise = np.random.default_rng(1).integers(0, 9, (28, 28))
    for image in (np.full((28, 28), level), np.clip(level + noise, 0, 255)):
        reply = system.http.post("/mnist/classify", content=image_file(image.astype(np.uint8)))
        assert reply.status_code == 400
        assert reply.json()["detail"].startswith(f"no contrast: the grey levels range from {image.min()} to")


def test_an_image_is_found_in_forms_json_and_compressed_bodies(system: System, test_set: Split, tmp_path: Path) -> None:
    file, text = image_file(test_set.images[7]), base64.b64encode(image_file(test_set.images[7])).decode()
    path = tmp_path / "7.png"
    path.write_bytes(file)
    url, answer = f"{system.url}/mnist/classify", test_set.labels[7]
    for arguments in (
        ["-F", f"image=@{path}"],
        ["-F", "note=hello", "-F", f"image=@{path}"],
        ["--data-binary", f"@{path}"],
        ["-d", json.dumps({"image": f"data:image/png;base64,{text}"})],
        ["-H", "Content-Type: application/json", "-d", json.dumps({"image": text})],
        ["--data-urlencode", f"image={text}"],
    ):
        output = subprocess.run(["curl", "-s", *arguments, url], capture_output=True, check=True).stdout
        assert json.loads(output).get("prediction") == answer, (arguments, output)
    for encoding, packed in (
        ("gzip", gzip.compress(file)),
        ("deflate", zlib.compress(file)),
        ("", gzip.compress(file)),
    ):
        headers = {"Content-Encoding": encoding} if encoding else {}
        assert system.http.post("/mnist/classify", content=packed, headers=headers).json()["prediction"] == answer
    reply = system.http.post("/mnist/classify", content=file, headers={"Content-Encoding": "br"})
    assert (reply.status_code, reply.headers["accept-encoding"]) == (415, "gzip, deflate")
    stripped = subprocess.run(["curl", "-s", "-d", f"@{path}", url], capture_output=True, check=True).stdout
    assert "--data-binary" in json.loads(stripped)["detail"]


def test_a_bomb_in_one_body_is_refused_within_its_bound(system: System) -> None:
    bomb = gzip.compress(bytes(20 << 20), 9)
    reply = system.http.post("/mnist/classify", content=bomb, headers={"Content-Encoding": "gzip"})
    assert (reply.status_code, "16777216" in reply.json()["detail"]) == (413, True)


def test_a_phone_photo_is_read_and_without_fit_the_way_out_is_named(system: System) -> None:
    photo = drawn_photo((4032, 3024), orientation=6, quality=97)
    reply = system.http.post("/mnist/classify", params={"fit": "digit"}, content=photo)
    assert (reply.status_code, reply.json().get("prediction")) == (200, 7), reply.text
    reply = system.http.post("/mnist/classify", content=photo)
    assert (reply.status_code, "?fit=digit takes any size" in reply.json()["detail"]) == (400, True)
    reply = system.http.post("/mnist/classify", content=photo + bytes(16 << 20))
    assert reply.status_code == 413


def test_a_result_says_how_it_came_about(system: System, test_set: Split) -> None:
    result = system.http.post("/mnist/classify", content=image_file(test_set.images[0])).json()
    assert result["model"] == DEFAULT.ref
    debug = result["debug"]
    assert debug["batch_images"] >= 1
    assert debug["queue_ms"] >= 0
    assert debug["model_ms"] > 0
    assert debug["worker"].startswith("worker-1@")
    assert debug["attempt"] == 1


async def test_200_concurrent_requests_each_get_their_own_answer(system: System, test_set: Split) -> None:
    """Each client sends another image, so that a response for another client would have other probabilities."""
    alone = [system.http.get(f"/mnist/classify/{index}").json()["debug"]["probabilities"] for index in range(200)]
    async with httpx.AsyncClient(base_url=system.url, timeout=60) as http:
        files = map(image_file, test_set.images[:200])
        replies = await asyncio.gather(*(http.post("/mnist/classify", content=file) for file in files))
    assert {reply.status_code for reply in replies} == {200}
    together = [reply.json()["debug"]["probabilities"] for reply in replies]
    np.testing.assert_allclose(together, alone, atol=1e-4)
    assert max(reply.json()["debug"]["batch_images"] for reply in replies) > 1, "batches form under load"
    assert len({reply.json()["id"] for reply in replies}) == 200


def test_an_async_request_is_a_job_of_one(system: System, test_set: Split) -> None:
    headers = {"Prefer": "respond-async"}
    reply = system.http.post("/mnist/classify", content=image_file(test_set.images[3]), headers=headers)
    assert reply.status_code == 202
    assert reply.headers["location"] == f"/results/{reply.json()['id']}"
    job = system.finished(reply.json()["id"])
    assert (job["state"], job["total"], job["counts"]["done"]) == ("done", 1, 1)
    (item,) = system.items(job["id"])
    assert item["prediction"] == test_set.labels[3]
    assert system.http.get("/mnist/classify/3", headers=headers).status_code == 202


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "empty"),
        (b"hello, I am a text", "not an image"),
        (image_file(np.zeros((30, 32), np.uint8)), "32×30"),
        (image_file(np.zeros((28, 28), np.uint8))[:50], "truncated"),
    ],
)
def test_a_bad_image_is_a_400_that_says_what_was_wrong(system: System, body: bytes, said: str) -> None:
    reply = system.http.post("/mnist/classify", content=body)
    assert reply.status_code == 400
    assert reply.headers["content-type"] == ERROR_TYPE
    assert said in reply.json()["detail"]


def test_the_body_of_a_client_that_disconnects_is_refused() -> None:
    messages: list[Message] = [
        {"type": "http.request", "body": b"half", "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Message:
        return messages.pop(0)

    with pytest.raises(BadUpload, match="disconnected"):
        asyncio.run(read_body(receive, 1000))


@pytest.mark.parametrize("path", ["/mnist/classify/{}", "/mnist/{}/classify", "/mnist/image/{}", "/mnist/{}/label"])
def test_an_index_outside_is_a_404_and_no_integer_a_422(system: System, test_set: Split, path: str) -> None:
    for index in (len(test_set.images), -1, 10**15):
        reply = system.http.get(path.format(index))
        assert reply.status_code == 404
        assert str(len(test_set.images) - 1) in reply.json()["detail"]
    for index_text in ("seven", "1.5", "0x10", "1" * 30):
        reply = system.http.get(path.format(index_text))
        assert reply.status_code == 422
        assert index_text in reply.json()["detail"]


def test_an_unknown_model_is_a_404_that_names_those_there_are(system: System) -> None:
    for model in ("nope", "cnn@99", "../cnn"):
        reply = system.http.get("/mnist/classify/0", params={"model": model})
        assert reply.status_code == 404
    assert "cnn" in system.http.get("/mnist/classify/0", params={"model": "nope"}).json()["detail"]
    assert system.http.get("/mnist/classify/0", params={"model": "cnn@1"}).json()["model"] == "cnn@1"


def test_a_wrong_path_or_method_is_a_problem_too(system: System) -> None:
    for reply in (system.http.get("/nothing"), system.http.put("/mnist/label/1")):
        assert reply.status_code in (404, 405)
        assert reply.headers["content-type"] == ERROR_TYPE
        assert reply.json()["status"] == reply.status_code
