"""`python -m training cascade` builds a self-contained version that an engine loads."""

import json
from argparse import ArgumentTypeError
from pathlib import Path

import numpy as np
import pytest

from shared.data.sample import draw
from shared.models import registry
from tests.support.processes import ROOT
from training.__main__ import main
from training.combining.stage_option import StageOption, parse_stage
from training.publishing import publish
from training.qa.checks.soundness import check_files
from worker.engine import Engine, load_engine

SMALL, LARGE = ROOT / "models/cnn-small/2", ROOT / "models/cnn/3"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> registry.ModelVersion:
    """A cascade of two published networks, whose threshold lets some of the drawn digits pass."""
    models_dir = tmp_path_factory.mktemp("models")
    stages = ["--stage", f"{SMALL}:0.97", "--stage", str(LARGE)]
    assert main(["cascade", *stages, "--version", "7", "--models-dir", str(models_dir), "--sample"]) == 0
    return registry.load_version(models_dir, "cnn@7")


@pytest.fixture(scope="module")
def engine(built: registry.ModelVersion) -> Engine:
    return load_engine("litert", built.directory, threads=1, max_batch_images=16)


def test_the_version_has_the_files_of_all_stages_with_their_hashes(built: registry.ModelVersion) -> None:
    assert check_files(built).passed
    stem = {"model": "stage-2", "layers": "stage-2-layers", "curves": "stage-2-curves"}
    for name in ("model.tflite", "model.keras", "layers.tflite", "curves.csv"):
        file = LARGE / name
        copied = built.directory / f"{stem[file.stem]}{file.suffix}"
        assert copied.read_bytes() == file.read_bytes()
    assert not {"report.json", "report.html"} & {path.name for path in built.directory.iterdir()}


def test_the_card_describes_the_whole_cascade(built: registry.ModelVersion) -> None:
    small, large = (json.loads((each / "model.json").read_text()) for each in (SMALL, LARGE))
    card = built.card
    first, second = card["stages"]
    assert (first["file"], first["accept_from"], first["reached"]) == ("model.tflite", 0.97, 1.0)
    assert (second["file"], "accept_from" in second) == ("stage-2.tflite", False)
    assert 0 < second["reached"] < 1
    assert card["parameters"] == small["parameters"] + large["parameters"]
    expected = small["multiply_adds"] + second["reached"] * large["multiply_adds"]
    assert card["multiply_adds"] == pytest.approx(expected, rel=1e-4)
    assert second["layer_outputs"] == large["layer_outputs"]
    assert {row["name"].split("/")[0] for row in card["layers"] or []} == {"stage-1", "stage-2"}
    assert built.spec.networks[1].temperature == second["temperature"]
    training = card["training"]
    assert training["held_out_images"] == 40
    assert [stage["file"] for stage in training["stages"]] == ["cnn-small@2", "cnn@3"]  # type: ignore[attr-defined]


def test_each_image_gets_the_answer_of_the_stage_that_decides(engine: Engine) -> None:
    images, labels = draw("train")
    answers = engine.predict(images)
    assert answers.stages is not None
    assert answers.scores is None
    assert set(answers.stages.tolist()) == {0, 1}
    first, second = (network.predict(images) for network in engine.networks)
    expected = np.where(first.max(axis=1, keepdims=True) < 0.97, second, first)
    np.testing.assert_allclose(answers.probabilities, expected, atol=1e-5)
    assert answers.stages.tolist() == (first.max(axis=1) < 0.97).astype(int).tolist()
    assert (answers.probabilities.argmax(axis=1) == labels).mean() > 0.99


def test_an_image_gets_the_same_answer_alone_and_in_any_batch(engine: Engine) -> None:
    images = draw("train")[0][:70]
    whole = engine.predict(images)
    for count in (1, 3, 17, 33):
        part = engine.predict(images[:count])
        np.testing.assert_allclose(part.probabilities, whole.probabilities[:count], atol=1e-5)
        np.testing.assert_array_equal(part.stages, whole.stages[:count])  # type: ignore[index]


def test_the_layers_of_the_visited_stages_are_shown(engine: Engine) -> None:
    images = draw("train")[0]
    stages = engine.predict(images).stages
    assert stages is not None
    for stage in (0, 1):
        image = images[[int(np.flatnonzero(stages == stage)[0])]]
        answers, outputs = engine.look_inside(image)
        assert answers.stages is not None
        assert answers.stages.tolist() == [stage]
        np.testing.assert_allclose(answers.probabilities, engine.predict(image).probabilities, atol=1e-4)
        assert {output.name.split("/")[0] for output in outputs} == {f"stage-{n}" for n in range(1, stage + 2)}


def test_the_version_is_published_with_all_its_files(built: registry.ModelVersion, tmp_path: Path) -> None:
    published = publish.publish(built, tmp_path, "a test")
    assert {path.name for path in published.directory.iterdir()} == {path.name for path in built.directory.iterdir()}


@pytest.mark.parametrize(("stages", "complaint"), [
    ([str(SMALL)], "at least two stages"),
    ([str(SMALL), f"{LARGE}:0.8"], "last stage and passes no image on"),
    ([str(SMALL), "models"], "models is no version"),
])  # fmt: skip
def test_what_makes_no_cascade_is_refused(
    stages: list[str],
    complaint: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    options = [part for stage in stages for part in ("--stage", stage)]
    assert main(["cascade", *options, "--version", "1", "--models-dir", str(tmp_path), "--sample"]) == 1
    assert complaint in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_cascade_is_no_stage(
    built: registry.ModelVersion, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stages = ["--stage", str(built.directory), "--stage", str(LARGE)]
    assert main(["cascade", *stages, "--version", "1", "--models-dir", str(tmp_path), "--sample"]) == 1
    assert "is a cascade itself" in capsys.readouterr().err


@pytest.mark.parametrize(("text", "expected"), [
    ("models/cnn/3", ("models/cnn/3", None)),
    ("models/cnn/3:0.8", ("models/cnn/3", 0.8)),
    ("a.keras:2", ("a.keras:2", None)),
    ("a.keras:2:0.95", ("a.keras:2", 0.95)),
    ("a.keras:1.0", ("a.keras", 1.0)),
])  # fmt: skip
def test_a_threshold_has_a_dot(text: str, expected: tuple[str, float | None]) -> None:
    assert parse_stage(text) == StageOption(Path(expected[0]), expected[1])


@pytest.mark.parametrize("text", ["a.keras:0.0", "a.keras:1.5"])
def test_a_threshold_is_a_share(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="above 0 and up to 1"):
        parse_stage(text)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_weights_are_exported_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files of the published network stand in for its conversion, which takes seconds and has its own tests."""
    from training.publishing import export, layers_file

    monkeypatch.setattr(export, "convert", lambda model: (SMALL / "model.tflite").read_bytes())
    monkeypatch.setattr(layers_file, "convert", lambda model: (SMALL / "layers.tflite").read_bytes())
    stages = ["--stage", f"{SMALL / 'model.keras'}:0.9", "--stage", str(LARGE)]
    assert main(["cascade", *stages, "--version", "2", "--models-dir", str(tmp_path), "--sample"]) == 0
    version = registry.load_version(tmp_path, "cnn@2")
    assert check_files(version).passed
    assert load_engine("litert", version.directory, 1, max_batch_images=1).predict(draw("test")[0]).stages is not None
