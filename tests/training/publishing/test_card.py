import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from training.publishing import card


def model_of(*layers: SimpleNamespace) -> SimpleNamespace:
    return SimpleNamespace(layers=list(layers))


CONVOLUTION = SimpleNamespace(kernel=np.empty((5, 5, 1, 32)), output=np.empty((1, 14, 14, 32)))
DENSE = SimpleNamespace(kernel=np.empty((1400, 10)), output=np.empty((1, 10)))


def test_a_convolution_applies_its_kernel_at_every_position_of_its_output() -> None:
    assert card.multiply_adds(model_of(CONVOLUTION)) == 14 * 14 * 5 * 5 * 32


def test_a_dense_layer_uses_every_weight_once() -> None:
    assert card.multiply_adds(model_of(DENSE)) == 14_000


def test_a_layer_without_a_kernel_multiplies_nothing() -> None:
    assert card.multiply_adds(model_of(SimpleNamespace(output=np.empty((1, 14, 14, 32))))) == 0


def test_a_nested_model_counts_once_for_each_view_of_the_image() -> None:
    views = SimpleNamespace(axis=0, input=[None, None, None])
    assert card.multiply_adds(model_of(DENSE, views, model_of(CONVOLUTION, DENSE))) == 14_000 + 3 * (156_800 + 14_000)


def test_files_are_hashed_by_name_in_order(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("b", "a")]
    for path in paths:
        path.write_bytes(b"")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert list(card.hash_files(paths).items()) == [("a", empty), ("b", empty)]


def test_writing_replaces_the_card_and_leaves_nothing_else(tmp_path: Path) -> None:
    card.write(tmp_path, {"name": "cnn", "parameters": 1})
    card.write(tmp_path, {"name": "cnn", "parameters": 9})
    assert [path.name for path in tmp_path.iterdir()] == ["model.json"]
    assert json.loads((tmp_path / "model.json").read_text())["parameters"] == 9
