import json
from pathlib import Path

import pytest

from shared.data import dataset
from shared.errors import DatasetError, ModelError
from training.__main__ import make_parser

pytestmark = pytest.mark.slow


@pytest.fixture
def no_mnist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "find_mnist_dir", lambda setting: None)


@pytest.mark.usefixtures("no_mnist")
def test_the_sample_is_used_only_on_request() -> None:
    from training.data import splits

    with pytest.raises(DatasetError, match="make data"):
        splits.choose_split(None, sample=False, limit_images=None)
    assert splits.choose_split(None, sample=True, limit_images=None).name == "sample"


def test_the_sample_is_used_on_request_even_if_mnist_exists() -> None:
    from training.data import splits

    split = splits.choose_split(None, sample=True, limit_images=7)
    assert (split.name, len(split.images), len(split.labels)) == ("sample", 7, 7)


@pytest.mark.usefixtures("eagerly")
def test_a_run_writes_weights_curves_and_a_record(tmp_path: Path) -> None:
    from training import run, weights

    path = tmp_path / "deep" / "cnn.keras"
    arguments = f"train --weights {path} --num-epochs 2 --batch-size 16 --seed 5 --limit-images 60 --sample"
    run.run(make_parser().parse_args(arguments.split()), "the command")
    _, record = weights.load(path)
    assert record == json.loads(path.with_name("cnn.keras.json").read_text())
    assert (record["command"], record["dataset"], record["data_sha256"]) == ("the command", "sample", {})
    assert (record["images"], record["epochs"], record["batch_size"], record["seed"]) == (60, 2, 16, 5)
    header, *rows = path.with_name("cnn.keras.csv").read_text().splitlines()
    assert header == "epoch,accuracy,loss,val_accuracy,val_loss"
    assert [row.split(",")[0] for row in rows] == ["0", "1"]
    assert float(rows[-1].split(",")[2]) == pytest.approx(record["final"]["loss"], abs=1e-5)


def test_an_unknown_suffix_is_refused_before_the_training(tmp_path: Path) -> None:
    from training import run

    options = make_parser().parse_args(["train", "--weights", str(tmp_path / "cnn.onnx"), "--sample"])
    with pytest.raises(ModelError, match=r"\.keras, \.h5 or \.hdf5"):
        run.run(options, "")
