from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from shared.data.dataset import Split
from shared.errors import ModelError

if TYPE_CHECKING:
    from training.train import Trained

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", ["cnn.keras", "cnn.h5", "cnn.hdf5", "cnn.weights.h5"])
def test_a_loaded_model_answers_like_the_saved_one(name: str, trained: Trained, handful: Split, tmp_path: Path) -> None:
    from training import weights

    weights.save(trained.model, tmp_path / name, {"network": trained.model.name})
    model, record = weights.load(tmp_path / name)
    pixels = handful.images[..., None].astype(np.float32)
    assert np.array_equal(model(pixels), trained.model(pixels))
    assert record == {"network": trained.model.name}
    assert {path.name for path in tmp_path.iterdir()} == {name, f"{name}.json"}


def test_weights_without_a_record_can_be_loaded(tmp_path: Path) -> None:
    from training import architecture, weights

    weights.save(architecture.build("cnn"), tmp_path / "cnn.h5", {"seed": 7})
    weights.record_path(tmp_path / "cnn.h5").unlink()
    assert weights.load(tmp_path / "cnn.h5")[1] == {}


def test_the_error_about_missing_weights_names_the_command_that_creates_them(tmp_path: Path) -> None:
    from training import weights

    with pytest.raises(ModelError, match=r"gone\.keras is missing: create it with `python -m training train"):
        weights.load(tmp_path / "gone.keras")


def test_the_record_of_a_published_version_is_on_its_card(trained: Trained, tmp_path: Path) -> None:
    from training import weights

    trained.model.save(tmp_path / "model.keras")
    (tmp_path / "model.json").write_text('{"training": {"seed": 7}}')
    assert weights.load(tmp_path / "model.keras")[1] == {"seed": 7}


def test_a_member_of_an_ensemble_is_loaded_by_number_with_its_record(
    trained: Trained, handful: Split, tmp_path: Path
) -> None:
    from training import architecture, weights
    from training.combining import ensemble

    model = ensemble.build([architecture.build("cnn-small"), trained.model], ensemble.VIEWS[:1])
    weights.save(model, tmp_path / "all.keras", {"members": [{"training": {"seed": 1}}, {"training": {"seed": 2}}]})
    second, record = weights.load(tmp_path / "all.keras:2")
    pixels = handful.images[..., None].astype(np.float32)
    assert np.array_equal(second(pixels), trained.model(pixels))
    assert (record, second.trainable) == ({"seed": 2}, True)
    origin = weights.origin(tmp_path / "all.keras:2")
    assert (origin["file"], origin["training"]) == ("all.keras:2", {"seed": 2})
    with pytest.raises(ModelError, match=r"all\.keras cannot be loaded"):
        weights.load(tmp_path / "all.keras:3")


@pytest.mark.parametrize("name", ["bad.keras", "bad.h5"])
def test_a_file_without_weights_is_refused(name: str, tmp_path: Path) -> None:
    from training import weights

    (tmp_path / name).write_bytes(b"no weights")
    with pytest.raises(ModelError, match=f"{name} cannot be loaded"):
        weights.load(tmp_path / name)


# Keras warns before it raises.
@pytest.mark.filterwarnings("ignore:Skipping nested container:UserWarning")
def test_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    import keras

    from training import weights

    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    weights.save(other, tmp_path / "other.h5", {})
    with pytest.raises(ModelError, match=r"other\.h5 cannot be loaded"):
        weights.load(tmp_path / "other.h5")
