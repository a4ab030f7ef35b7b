"""Models that other people made, next to MNIST's: every way in gives the answers of the file's own interpreter."""

import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

from mnistified import Client
from mnistified.errors import Refused
from tests.support.processes import ROOT, wait_until
from tests.support.system import RedisServer, System, running
from tests.support.uploads import image_file, npy, zipped
from training.__main__ import main

pytestmark = pytest.mark.slow

LABELS = {
    "cifar": ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"],
    "person": ["no person", "person"],
}
FILES = {"cifar": ("pretrainedResnet_quant.tflite", 32), "person": ("vww_96_int8.tflite", 96)}


@pytest.fixture(scope="module")
def shapes(redis_server: RedisServer, given_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system with MNIST's default model and two others."""
    models = tmp_path_factory.mktemp("registry") / "models"
    models.mkdir()
    (models / "cnn").symlink_to(ROOT / "models/cnn")
    for name, (file, _) in FILES.items():
        labels = models.parent / f"{name}.txt"
        labels.write_text("\n".join(LABELS[name]))
        command = ["import", str(given_models / file), "--name", name, "--labels", str(labels)]
        assert main([*command, "--models-dir", str(models)]) == 0
    environ = {"MODELS_DIR": str(models), "MAX_BATCH_IMAGES": "8"}
    with running(redis_server.new_url(), environ=environ, api_in_thread=True) as system:
        yield system


def pictures_of(name: str, count: int) -> Any:
    side = FILES[name][1]
    return np.random.default_rng(count).integers(0, 256, (count, side, side, 3), np.uint8)


@pytest.fixture(scope="module")
def expected(given_models: Path) -> Any:
    """Return a function that gives the answers of a file's own interpreter, image by image."""

    def answers(name: str, pictures: Any) -> Any:
        interpreter = Interpreter(model_path=str(given_models / FILES[name][0]), num_threads=1)
        interpreter.allocate_tensors()
        (given,), (output,) = interpreter.get_input_details(), interpreter.get_output_details()
        found = []
        for picture in pictures:
            interpreter.set_tensor(given["index"], (picture.astype(int) - 128).astype(np.int8)[None])
            interpreter.invoke()
            found.append(interpreter.get_tensor(output["index"])[0].copy())
        scale, zero = output["quantization"]
        return (np.array(found).astype(np.float32) - zero) * np.float32(scale)

    return answers


@pytest.mark.parametrize("name", FILES)
def test_every_way_in_gives_the_answers_of_the_files_own_interpreter(shapes: System, expected: Any, name: str) -> None:
    pictures, labels = pictures_of(name, 30), LABELS[name]
    right = expected(name, pictures)
    http = shapes.http

    reply = http.post(f"/models/{name}/classify", content=image_file(pictures[0]))
    assert reply.status_code == 200, reply.text
    single = reply.json()
    assert single["model"] == f"{name}@1"
    assert single["probabilities"] == right[0].tolist()
    assert (single["prediction"], single["label"]) == (right[0].argmax(), labels[right[0].argmax()])
    assert single["confidence"] == single["probabilities"][single["prediction"]]
    assert [each["label"] for each in single["best"]] == [labels[at] for at in np.argsort(-right[0], kind="stable")[:5]]

    files = [(f"{number}.png", image_file(picture)) for number, picture in enumerate(pictures)]
    for body, kind in ((npy(pictures), "application/x-npy"), (zipped(files), "application/zip")):
        reply = http.post(f"/models/{name}@1/classify/bulk", content=body, headers={"Content-Type": kind})
        assert reply.status_code == 202, reply.text
        job = shapes.finished(reply.json()["id"])
        assert (job["state"], job["total"]) == ("done", 30)
        items = shapes.items(job["id"])
        assert [item["probabilities"] for item in items] == right.tolist()
        assert [item["label"] for item in items] == [labels[row.argmax()] for row in right]

    served = http.post(f"/v1/models/{name}:predict", json={"instances": pictures[:9].tolist()}).json()
    np.testing.assert_array_equal(np.array(served["predictions"], np.float32), right[:9])
    with triton.InferenceServerClient(shapes.url.removeprefix("http://")) as client:
        side = FILES[name][1]
        described = client.get_model_metadata(name)
        assert described["inputs"] == [{"name": "images", "datatype": "UINT8", "shape": [-1, side, side, 3]}]
        assert described["outputs"] == [{"name": "probabilities", "datatype": "FP32", "shape": [-1, len(labels)]}]
        for count in (1, 30):  # as singles, and as a job
            tensor = triton.InferInput("images", [count, side, side, 3], "UINT8")
            tensor.set_data_from_numpy(pictures[:count])
            outputs = [triton.InferRequestedOutput("probabilities")]
            answer = client.infer(name, [tensor], outputs=outputs).as_numpy("probabilities")
            np.testing.assert_array_equal(answer, right[:count])
        tensor = triton.InferInput("images", [2, side, side, 3], "FP32")
        tensor.set_data_from_numpy(pictures[:2].astype(np.float32))
        np.testing.assert_array_equal(client.infer(name, [tensor]).as_numpy("probabilities"), right[:2])
        tensor = triton.InferInput("images", [1, side, side, 3], "UINT8")
        tensor.set_data_from_numpy(pictures[:1])
        best = client.infer(name, [tensor], outputs=[triton.InferRequestedOutput("probabilities", class_count=1)])
        assert best.as_numpy("probabilities")[0][0].decode().split(":")[2] == labels[right[0].argmax()]


def test_models_of_different_shapes_are_served_side_by_side(shapes: System, expected: Any) -> None:
    right = {name: expected(name, pictures_of(name, 4)) for name in FILES}
    for _ in range(3):
        for name in FILES:
            reply = shapes.http.post(f"/models/{name}/classify", content=image_file(pictures_of(name, 4)[3])).json()
            assert reply["probabilities"] == right[name][3].tolist()
        assert shapes.http.get("/mnist/classify/0").json()["prediction"] in range(10)
    status = shapes.http.get("/status").json()
    assert {ref.partition("@")[0] for ref in status["workers"][0]["models"]} == {"cnn", "cifar", "person"}


@pytest.mark.parametrize("path", ["classify", "classify/bulk", "classify/0"])
def test_a_model_of_another_shape_on_mnists_routes_names_the_right_path(shapes: System, path: str) -> None:
    url = f"/mnist/{path}?model=person"
    body = image_file(np.arange(784, dtype=np.uint8).reshape(28, 28))
    reply = shapes.http.get(url) if path.endswith("0") else shapes.http.post(url, content=body)
    assert reply.status_code == 400
    assert "person@1 takes images of 96×96 in colour" in reply.json()["detail"]
    assert "/models/person@1/classify" in reply.json()["detail"]


def test_a_picture_of_another_size_is_an_error_that_names_the_parameter_which_helps(shapes: System) -> None:
    photo = image_file(np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8))
    reply = shapes.http.post("/models/cifar/classify", content=photo)
    assert reply.status_code == 400
    assert "expected a 32×32 image, got 80×60" in reply.json()["detail"]
    assert "?resize= (stretch, crop or pad)" in reply.json()["detail"]
    for resize in ("stretch", "crop", "pad"):
        reply = shapes.http.post(f"/models/cifar/classify?resize={resize}&show=fitted", content=photo)
        assert reply.status_code == 200, reply.text
        assert reply.json()["label"] in LABELS["cifar"]
    assert shapes.http.post("/models/cifar/classify?resize=digit", content=photo).status_code == 422
    assert shapes.http.post("/models/cifar/classify?resize=shrink", content=photo).status_code == 422


def test_the_best_are_chosen_and_a_job_of_one_image_has_them_too(shapes: System) -> None:
    body = image_file(pictures_of("cifar", 1)[0])
    reply = shapes.http.post("/models/cifar@latest/classify?top=2", content=body).json()
    assert (len(reply["best"]), reply["probabilities"]) == (2, None)
    accepted = shapes.http.post(
        "/models/cifar/classify?top=2", content=body, headers={"Prefer": "respond-async"}
    ).json()
    shapes.finished(accepted["id"])
    (item,) = shapes.items(accepted["id"])
    assert item["best"] == reply["best"]
    assert (item["label"], item["confidence"]) == (reply["label"], reply["confidence"])
    for top in ("0", "101", "two"):
        assert shapes.http.post(f"/models/cifar/classify?top={top}", content=body).status_code == 422


def test_a_digit_is_read_with_labels_on_the_route_for_any_model(shapes: System) -> None:
    image = shapes.http.get("/mnist/0/image", headers={"Accept": "image/png"}).content
    label = shapes.http.get("/mnist/0/label").json()["label"]
    reply = shapes.http.post("/models/cnn/classify", content=image).json()
    assert (reply["prediction"], reply["label"]) == (label, str(label))
    large = io.BytesIO()
    Image.open(io.BytesIO(image)).resize((90, 90)).save(large, "PNG")
    reply = shapes.http.post("/models/cnn/classify?resize=digit", content=large.getvalue()).json()
    assert reply["label"] == str(label)


def test_drift_counts_the_labels_of_each_version(shapes: System) -> None:
    shapes.http.post("/models/person/classify", content=image_file(pictures_of("person", 1)[0]))

    def drift() -> Any:
        return shapes.http.get("/status").json()["drift"].get("person@1")

    wait_until(lambda: drift() is not None, "the drift of person@1")
    assert len(drift()["predictions"]["shares"]) == 2
    assert "offset" not in drift()


@pytest.mark.parametrize("name", FILES)
def test_the_client_gives_the_answers_of_the_files_own_interpreter(shapes: System, expected: Any, name: str) -> None:
    pictures, labels = pictures_of(name, 20), LABELS[name]
    right = expected(name, pictures)
    with Client(shapes.url) as client:
        for picture in (pictures[0], Image.fromarray(pictures[0]), image_file(pictures[0])):
            result = client.classify(picture, model=name)
            assert result.probabilities == tuple(right[0].tolist())
            assert (result.label, result.best[0].label) == (labels[right[0].argmax()], result.label)
        assert [best.label for best in client.classify(pictures[0], model=name, top=1).best] == [result.label]
        for images in (pictures, list(pictures), [Image.fromarray(picture) for picture in pictures]):
            items = list(client.submit(images, model=f"{name}@1").items())
            assert [item.probabilities for item in items] == [tuple(row) for row in right.tolist()]
            assert [item.label for item in items] == [labels[row.argmax()] for row in right]
        large = np.zeros((50, 70, 3), np.uint8)
        with pytest.raises(Refused, match="got 70×50"):
            client.classify(large, model=name)
        assert client.classify(large, model=name, resize="pad").label in labels
        wide = np.random.default_rng(3).integers(0, 256, (3, 50, 70, 3), np.uint8)
        cut = [client.classify(picture, model=name, resize="crop").probabilities for picture in wide]
        resized = client.submit(wide, model=name, resize="crop").items()
        assert [item.probabilities for item in resized] == cut
        with pytest.raises(Refused, match=r"got shape \[3, 50, 70, 3\]; other sizes and colours are converted only in"):
            client.submit(wide, model=name)
        digit = client.classify(client.test_image(0)[0], model="cnn")
        assert digit.label == str(digit.prediction)


def test_the_command_line_shows_labels(shapes: System, expected: Any, tmp_path: Path) -> None:
    pictures = pictures_of("cifar", 3)
    right = [LABELS["cifar"][row.argmax()] for row in expected("cifar", pictures)]
    for number, picture in enumerate(pictures):
        (tmp_path / f"{number}.png").write_bytes(image_file(picture))

    def run(*words: str) -> str:
        command = [sys.executable, "-m", "mnistified", *words, "--url", shapes.url]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    shown = run("classify", "--model", "cifar", "0.png", "1.png")
    assert [line.split()[1] for line in shown.splitlines()] == right[:2]
    best = run("classify", "--model", "cifar", "--top", "3", "0.png").removeprefix("0.png: ")
    assert [re.sub(r" \(.*", "", each) for each in best.split(", ")][:1] == right[:1]
    assert best.count("%)") == 3
    rows = run("bulk", ".", "--model", "cifar").splitlines()
    assert rows[0].split(",")[-1] == "label"
    assert [row.split(",")[-1] for row in rows[1:]] == right
    lines = run("bulk", ".", "--model", "cifar", "--top", "2", "--json").splitlines()
    assert [len(json.loads(line)["best"]) for line in lines] == [2, 2, 2]


def test_the_bench_command_measures_any_model(shapes: System, tmp_path: Path) -> None:
    pictures = pictures_of("person", 6)
    (tmp_path / "one.png").write_bytes(image_file(pictures[0]))
    (tmp_path / "digit.png").write_bytes(shapes.http.get("/mnist/0/image", headers={"Accept": "image/png"}).content)
    np.save(tmp_path / "all.npy", pictures)

    def bench(*words: str) -> Any:
        command = [sys.executable, "-m", "mnistified", "bench", *words, "--model", "person", "--url", shapes.url]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    for words in (["one.png"], ["all.npy"], ["digit.png", "--resize", "stretch"]):
        result = bench(*words, "--seconds", "0.2", "--connections", "2", "--json")
        assert result.returncode == 0, result.stderr
        measured = json.loads(result.stdout)
        assert measured["answers"] > 0
        assert measured["failed"] == {}
    refused = bench("--seconds", "0.2")
    assert (refused.returncode, "name images for person" in refused.stderr) == (2, True)
