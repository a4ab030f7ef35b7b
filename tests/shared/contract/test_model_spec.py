"""The spec of a version, from its card."""

from pathlib import Path
from typing import Any

import pytest

from shared.contract.model_spec import MNIST_LABELS, Acceptance, Normalization, Stage, spec_of
from shared.errors import ModelError
from shared.models.registry import CARD, parse_card
from tests.support.processes import ROOT

PHOTOS = {"height": 32, "width": 48, "channels": 3}


def card_of(**fields: Any) -> Any:
    return {"input": PHOTOS, "labels": ["no", "yes"]} | fields


@pytest.mark.parametrize("path", sorted((ROOT / "models").glob(f"[!n]*/*/{CARD}")), ids=lambda path: path.parent.name)
def test_the_published_cards_are_of_mnist(path: Path) -> None:
    """All but those of `number`, which reads windows of numbers."""
    spec = spec_of(parse_card(path.read_bytes(), path))
    assert (spec.shape, spec.image_bytes, spec.is_mnist_shaped) == ((28, 28, 1), 784, True)
    assert (spec.labels, spec.output, spec.input.values, spec.input.resize) == (
        MNIST_LABELS,
        "probabilities",
        "0..255",
        "exact",
    )


def test_a_card_without_any_field_is_of_mnist() -> None:
    assert spec_of({}).labels == MNIST_LABELS
    assert spec_of({"labels": [str(digit) for digit in range(11)]}).outputs == 11


def test_every_field_is_read() -> None:
    spec = spec_of(
        card_of(
            input=PHOTOS | {"values": {"mean": [0.4, 0.5, 0.6], "std": [0.2, 0.2, 0.2]}, "layout": "NCHW", "batch": 1},
            output="logits",
            stages=[{"file": "model.tflite", "accept_from": 0.8}, {"file": "stage-2.tflite", "temperature": 1.5}],
            acceptance={"threshold": 0.9, "none_label": True, "fitted_on": "validation"},
            temperature=2.0,
            name="parts",
        )
    )
    assert (spec.shape, spec.image_bytes, spec.is_mnist_shaped) == ((32, 48, 3), 4608, False)
    assert spec.input.values == Normalization((0.4, 0.5, 0.6), (0.2, 0.2, 0.2))
    assert (spec.input.layout, spec.input.batch, spec.output, spec.temperature) == ("NCHW", 1, "logits", 2.0)
    assert spec.stages == (Stage(file="model.tflite", accept_from=0.8), Stage(file="stage-2.tflite", temperature=1.5))
    assert (spec.acceptance, spec.outputs) == (Acceptance(threshold=0.9, none_label=True), 3)


def test_grey_images_with_many_labels_do_not_fit_the_routes_of_mnist() -> None:
    letters = spec_of({"labels": [str(number) for number in range(47)]})
    assert (letters.shape, letters.is_mnist_shaped) == ((28, 28, 1), False)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"input": {"shape": [32, 32]}}, "input has no height, width and channels"),
        ({"input": PHOTOS | {"channels": 4}}, "channels"),
        ({"input": PHOTOS | {"height": 0}}, "height"),
        ({"input": {"height": 32, "width": 32}}, "channels"),
        ({"input": {"height": 1024, "width": 1024, "channels": 3}}, "3145728 bytes per image, and may have 1048576"),
        ({"input": PHOTOS | {"values": "0..2"}}, "values"),
        ({"input": PHOTOS | {"values": {"mean": [0.5], "std": [0.5]}}}, r"values.mean is \[0.5\], expected 3"),
        ({"input": PHOTOS | {"values": {"mean": [0, 0, 0], "std": [1, 0, 1]}}}, "values.std .* above 0"),
        ({"input": PHOTOS | {"resize": "shrink"}}, "resize"),
        ({"input": PHOTOS | {"resize": "digit"}}, "input.resize is digit"),
        ({"input": PHOTOS | {"batch": 2}}, "batch"),
        ({"output": "classes"}, "output"),
        ({"output": "sigmoid", "labels": ["a", "b", "c"]}, "sigmoid, which decides between 2 labels"),
        ({"labels": ["one"]}, "labels has 1 names, expected 2 to 10000"),
        ({"labels": ["a", ""]}, "labels has '', expected"),
        ({"labels": ["a", "b\n"]}, "expected 1 to 200 printable"),
        ({"labels": ["a", "b", "a"]}, "labels has 'a' more than once"),
        ({"labels": None}, "labels"),
        ({"stages": [{"file": "model.tflite"}, {"file": "stage-2.tflite"}]}, r"stages\[0\] has no accept_from"),
        ({"stages": [{"file": "model.tflite", "accept_from": 0.5}]}, "the last of the stages"),
        ({"stages": [{"file": "s.tflite", "accept_from": 1.5}]}, "accept_from"),
        ({"acceptance": {"threshold": 0}}, "threshold"),
        ({"temperature": 0}, "temperature"),
    ],
)
def test_a_card_that_cannot_be_used_says_why(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=f"the card cannot be used: .*{message}"):
        spec_of(card_of(**fields))
