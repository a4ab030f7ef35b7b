"""ONNX files through every way in: one with NCHW, logits and a fixed batch of one, and some with many labels."""

import csv
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import tritonclient.http as triton

from mnistified import Client
from tests.support.processes import ROOT
from tests.support.system import RedisServer, System, running
from tests.support.uploads import image_file, npy, zipped
from tests.training.importing.made import make_pictures, write_labels, write_onnx

pytestmark = pytest.mark.slow
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

MEAN, STD = np.array([0.5, 0.4, 0.3], np.float32), np.array([0.2, 0.3, 0.4], np.float32)
NORMALIZED = "mean=0.5,0.4,0.3/std=0.2,0.3,0.4"
CLOSE = 1e-5
ODD_LABELS = ("a, b", 'the "c"', "déjà; vu", "=1+1", "{h}")
LABELS = {
    "fixed": ("left, or so", 'the "right"', "öde"),
    "forty": (*ODD_LABELS, *(f"thing {number}" for number in range(5, 40))),
    "thousand": (*ODD_LABELS, *(f"thing {number}" for number in range(5, 1000))),
}


class Made(NamedTuple):
    """A system with the imported models, and what their imports printed."""

    system: System
    files: dict[str, Path]
    printed: dict[str, str]

    def answers(self, name: str, pictures: Any) -> Any:
        """Return ONNX Runtime's own answers, image by image, as probabilities."""
        session = onnxruntime.InferenceSession(str(self.files[name]))
        numbers = pictures.astype(np.float32) / 255
        if name == "fixed":
            numbers = ((numbers - MEAN) / STD).transpose(0, 3, 1, 2)
        rows = [session.run(None, {"image": numbers[row : row + 1]})[0] for row in range(len(pictures))]
        answers = np.concatenate(rows)
        if name != "fixed":
            return answers
        powers = np.exp(answers - answers.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def made(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    folder = tmp_path_factory.mktemp("imported")
    (folder / "models").mkdir()
    (folder / "models" / "cnn").symlink_to(ROOT / "models/cnn")
    files, printed = {}, {}
    for name, labels in LABELS.items():
        shape: Any = (1, 3, 10, 7) if name == "fixed" else ("n", 10, 7, 3)
        ending: Any = "logits" if name == "fixed" else "probabilities"
        files[name] = write_onnx(folder / f"{name}.onnx", shape, outputs=len(labels), ending=ending)
        given = ["--name", name, "--labels", str(write_labels(folder / f"{name}.txt", *labels))]
        given += ["--values", NORMALIZED if name == "fixed" else "0..1"]
        command = [sys.executable, "-m", "training", "import", str(files[name]), *given]
        command += ["--models-dir", str(folder / "models")]
        printed[name] = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    environ = {"MODELS_DIR": str(folder / "models"), "MAX_BATCH_IMAGES": "8"}
    with running(redis_server.new_url(), environ=environ, api_in_thread=True) as system:
        yield Made(system, files, printed)


def run_cli(made: Made, folder: Path, *words: str) -> str:
    command = [sys.executable, "-m", "mnistified", *words, "--url", made.system.url, "--quiet"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


def job_items(system: System, path: str, body: bytes, kind: str) -> list[dict[str, Any]]:
    reply = system.http.post(path, content=body, headers={"Content-Type": kind})
    assert reply.status_code == 202, reply.text
    assert system.finished(reply.json()["id"])["state"] == "done"
    return system.items(reply.json()["id"])


def infer(client: triton.InferenceServerClient, name: str, pictures: Any, classes: int = 0) -> Any:
    tensor = triton.InferInput("images", list(pictures.shape), "UINT8")
    tensor.set_data_from_numpy(pictures)
    wanted = triton.InferRequestedOutput("probabilities", class_count=classes)
    return client.infer(name, [tensor], outputs=[wanted]).as_numpy("probabilities")


def test_the_limits_of_a_fixed_batch_are_on_the_import_and_on_the_card(made: Made) -> None:
    assert "the file has a fixed batch of one, so that it runs image by image" in made.printed["fixed"]
    assert "assumed layout NCHW" in made.printed["fixed"]
    assert "assumed output logits" in made.printed["fixed"]
    card = made.system.http.get("/models/fixed/1").json()
    assert (card["input"]["batch"], card["input"]["layout"], card["output"]) == (1, "NCHW", "logits")
    assert made.system.http.get("/models/forty/1").json()["input"]["batch"] == 0


def test_a_fixed_batch_with_nchw_and_logits_answers_like_onnx_runtime(made: Made, tmp_path: Path) -> None:
    system, pictures, labels = made.system, make_pictures(24, 10, 7, 3), LABELS["fixed"]
    right = made.answers("fixed", pictures)
    named = [labels[row.argmax()] for row in right]
    assert len(set(named)) == 3
    for picture, row, label in zip(pictures[:6], right, named, strict=False):
        reply = system.http.post("/models/fixed/classify", content=image_file(picture)).json()
        np.testing.assert_allclose(reply["probabilities"], row, atol=CLOSE)
        assert reply["label"] == label
    files = [(f"{number}.png", image_file(picture)) for number, picture in enumerate(pictures)]
    for body, kind in ((npy(pictures), "application/x-npy"), (zipped(files), "application/zip")):
        items = job_items(system, "/models/fixed/classify/bulk", body, kind)
        np.testing.assert_allclose([item["probabilities"] for item in items], right, atol=CLOSE)
        assert [item["label"] for item in items] == named
    served = system.http.post("/v1/models/fixed:predict", json={"instances": pictures.tolist()}).json()
    np.testing.assert_allclose(served["predictions"], right, atol=CLOSE)
    with triton.InferenceServerClient(system.url.removeprefix("http://")) as client:
        for count in (1, 24):
            np.testing.assert_allclose(infer(client, "fixed", pictures[:count]), right[:count], atol=CLOSE)
    with Client(system.url) as python:
        np.testing.assert_allclose(python.classify(pictures[0], model="fixed").probabilities, right[0], atol=CLOSE)
        items_of_client = list(python.submit(pictures, model="fixed").items())
        given = np.array([item.probabilities for item in items_of_client])
        np.testing.assert_allclose(given, right, atol=CLOSE)
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(files[number][1])
    shown = run_cli(made, tmp_path, "classify", "--model", "fixed", "0.png", "1.png")
    assert [line.removeprefix(f"{at}.png: ").rpartition(" (")[0] for at, line in enumerate(shown.splitlines())] == (
        named[:2]
    )
    rows = list(csv.DictReader(io.StringIO(run_cli(made, tmp_path, "bulk", ".", "--model", "fixed"))))
    assert [row["label"] for row in rows] == named[:3]
    np.testing.assert_allclose([float(row["probability"]) for row in rows], right[:3].max(axis=1), atol=CLOSE)


@pytest.mark.parametrize("name", ["forty", "thousand"])
def test_of_many_labels_the_best_five_are_kept_and_top_asks_for_others(made: Made, tmp_path: Path, name: str) -> None:
    system, pictures, labels = made.system, make_pictures(30, 10, 7, 3), LABELS[name]
    right = made.answers(name, pictures)
    order = np.argsort(-right, axis=1, kind="stable")

    def check(found: dict[str, Any], row: int, count: int) -> None:
        assert found["probabilities"] is None
        assert [best["prediction"] for best in found["best"]] == order[row][:count].tolist()
        assert [best["label"] for best in found["best"]] == [labels[at] for at in order[row][:count]]
        given = [best["probability"] for best in found["best"]]
        np.testing.assert_allclose(given, right[row][order[row][:count]], atol=CLOSE)
        assert (found["prediction"], found["label"]) == (order[row][0], labels[order[row][0]])
        assert found["confidence"] == given[0]

    for query, count in (("", 5), ("?top=1", 1), ("?top=12", 12), ("?top=100", min(100, len(labels)))):
        check(system.http.post(f"/models/{name}/classify{query}", content=image_file(pictures[0])).json(), 0, count)
        items = job_items(system, f"/models/{name}/classify/bulk{query}", npy(pictures), "application/x-npy")
        for row, item in enumerate(items):
            check(item, row, count)
    assert system.http.post(f"/models/{name}/classify?top=101", content=image_file(pictures[0])).status_code == 422

    best = np.where(right >= np.sort(right, axis=1)[:, -100:][:, :1], right, 0)  # others are 0
    served = system.http.post(f"/v1/models/{name}:predict", json={"instances": pictures.tolist()}).json()
    np.testing.assert_allclose(served["predictions"], best, atol=CLOSE)
    with triton.InferenceServerClient(system.url.removeprefix("http://")) as client:
        for count in (1, 30):
            np.testing.assert_allclose(infer(client, name, pictures[:count]), best[:count], atol=CLOSE)
        classes = infer(client, name, pictures[:1], classes=150)[0]
        assert len(classes) == min(100, len(labels)), "only so many are known"
        found = [text.decode().split(":", 2)[1:] for text in classes[:7]]
        assert found == [[str(at), labels[at]] for at in order[0][:7]]

    with Client(system.url) as python:
        result = python.classify(pictures[0], model=name, top=7)
        assert [each.label for each in result.best] == [labels[at] for at in order[0][:7]]
        for row, received in enumerate(python.submit(list(pictures), model=name).items()):
            assert [each.label for each in received.best] == [labels[at] for at in order[row][:5]]


def test_odd_labels_survive_csv_and_ndjson(made: Made, tmp_path: Path) -> None:
    pictures, labels = make_pictures(60, 10, 7, 3), LABELS["fixed"]
    named = [labels[row.argmax()] for row in made.answers("fixed", pictures)]
    np.save(tmp_path / "all.npy", pictures)
    rows = list(csv.DictReader(io.StringIO(run_cli(made, tmp_path, "bulk", "all.npy", "--model", "fixed"))))
    assert [row["label"] for row in rows] == named
    lines = run_cli(made, tmp_path, "bulk", "all.npy", "--model", "fixed", "--json").splitlines()
    assert [json.loads(line)["label"] for line in lines] == named
    assert made.system.http.get("/metrics").status_code == 200
    assert made.system.http.get("/status").json()["drift"]
