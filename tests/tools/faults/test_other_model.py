"""Another model in the drills: its images, its answers, and its requests among the others."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.models import registry
from tests.support.processes import ROOT
from tests.training.importing.made import write_labels, write_onnx
from tools.faults.__main__ import parse_arguments
from tools.faults.load.clients import BULK_ENTRY_IMAGES, Load, job_sizes
from tools.faults.load.images import Pictures
from tools.faults.load.other_model import make_pictures_for, make_registry, read_other
from tools.faults.record import Record
from tools.faults.system.poison import FAULTS, faults_in
from training.__main__ import main

pytest.importorskip("onnxruntime")


def import_model(folder: Path, outputs: int = 3) -> Path:
    """Import a model of 96×96 pixels in colour. Return the folder of its version."""
    file = write_onnx(folder / "net.onnx", ("n", 96, 96, 3), outputs=outputs)
    labels = write_labels(folder / "labels.txt", *(f"label {number}" for number in range(outputs)))
    command = ["import", str(file), "--name", "own", "--labels", str(labels), "--values", "0..1"]
    assert main([*command, "--models-dir", str(folder / "models")]) == 0
    return folder / "models" / "own" / "1"


def test_its_images_differ_and_its_answers_are_the_engines(tmp_path: Path) -> None:
    version = read_other(import_model(tmp_path))
    pictures = make_pictures_for(version)
    assert (pictures.images.shape, pictures.honest, pictures.model) == ((100, 96, 96, 3), 100, "own@1")
    assert len(np.unique(pictures.oracle.expected.round(4), axis=0)) > 90
    assert pictures.oracle_of("own@1") is pictures.oracle
    assert not faults_in(pictures.images), "a faulty engine leaves images in colour alone"


def test_its_registry_has_the_other_models_too(tmp_path: Path) -> None:
    version = read_other(import_model(tmp_path))
    models = make_registry(tmp_path, ROOT / "models", version)
    assert registry.list_models(models) == registry.list_models(ROOT / "models") | {"own": [1]}
    assert registry.load_version(models, "own@1").spec.shape == (96, 96, 3)


def test_jobs_have_one_image_to_three_entries(tmp_path: Path) -> None:
    large = make_pictures_for(read_other(import_model(tmp_path)))
    digits = Pictures(np.zeros((200 + len(FAULTS), 28, 28), np.uint8), [], dict.fromkeys(FAULTS, 0), large.oracle)
    assert job_sizes(large) == (1, 2, 21, 49), "18 images fill an entry"
    assert job_sizes(digits)[-1] == 11 * BULK_ENTRY_IMAGES // 4
    assert digits.honest == 200


def test_a_share_of_the_requests_is_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = make_pictures_for(read_other(import_model(tmp_path)))
    digits = Pictures(np.zeros((5, 28, 28), np.uint8), [b"digit"] * 5, {}, other.oracle)
    sent: list[tuple[str, bytes]] = []

    class Refusing:
        def post(self, path: str, body: bytes, headers: dict[str, str]) -> None:
            sent.append((path, body))

    load = Load([], digits, Record(), 1, other)
    monkeypatch.setattr(load, "_stopping", _Impatient())
    client: Any = Refusing()
    for one in (load._one_single, load._one_job):
        rng = random.Random(1)
        for _ in range(100):
            one(client, rng)
    paths = {path for path, _ in sent}
    assert paths == {
        "/mnist/classify",
        "/mnist/classify/bulk",
        "/models/own@1/classify",
        "/models/own@1/classify/bulk",
    }
    assert all((body == b"digit") == (path == "/mnist/classify") for path, body in sent if "bulk" not in path)


class _Impatient:
    def wait(self, timeout_s: float) -> None:
        """Return at once."""


def test_the_option_names_the_folder_of_a_version(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = parse_arguments(["--also", str(import_model(tmp_path))])
    assert given.also.ref == "own@1"
    with pytest.raises(SystemExit):
        parse_arguments(["--also", str(tmp_path / "models" / "own" / "2")])
    assert "own" in capsys.readouterr().err
    (tmp_path / "many").mkdir()
    with pytest.raises(SystemExit):
        parse_arguments(["--also", str(import_model(tmp_path / "many", outputs=40))])
    assert "own@1 has 40 labels: expected up to 32" in capsys.readouterr().err
