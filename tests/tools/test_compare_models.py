"""The table that compares imported models with their own interpreters."""

from pathlib import Path

import numpy as np
import pytest

from tools.compare_models import FILES, interpreted, model_of, table


def test_a_way_in_is_a_row_and_a_file_a_column() -> None:
    ways = {"single": 0.0, "bulk, array": 2.2e-7}
    lines = table({"vww_96_float.tflite": ways, "vww_96_int8.tflite": dict.fromkeys(ways, 0.0)}, FILES)
    assert lines == [
        "| way in | vww_96_float.tflite | vww_96_int8.tflite |",
        "|---|--:|--:|",
        "| single | 0 | 0 |",
        "| bulk, array | 2e-07 | 0 |",
        "| limit | 1e-05 | 0 |",
    ]


def test_names_of_files_are_names_of_models() -> None:
    assert model_of("pretrainedResnet_quant.tflite") == "pretrainedresnet-quant-tflite"


@pytest.mark.parametrize("name", ["vww_96_float.tflite", "vww_96_int8.tflite"])
def test_the_interpreters_answers_are_probabilities(given_models: Path, name: str) -> None:
    images = np.random.default_rng(1).integers(0, 256, (3, 96, 96, 3), np.uint8)
    answers = interpreted(given_models / name, FILES[name].numbers(images))
    assert answers.shape == (3, 2)
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=0.02)
