"""The card of a published version, `model.json`: its description, origin and quality.

A card is a dictionary, not a struct: published versions never change, and fields that only older or newer code knows
must survive when a card is read and written again.
"""

from typing import Annotated, TypedDict

import msgspec

MIN_TEMPERATURE, MAX_TEMPERATURE = 0.1, 10.0

# Functional syntax, because `class` is a keyword.
LayerRow = TypedDict(
    "LayerRow", {"name": str, "class": str, "output_shape": list[int | None], "parameters": int}, total=False
)
LayerOutputRow = TypedDict("LayerOutputRow", {"name": str, "class": str, "shape": list[int]})


class StageRow(TypedDict, total=False):
    """A network of a cascade. `shared/contract/model_spec.py` checks the fields that an engine needs.

    Later stages have `layer_outputs`; those of the first stage are a field of the card itself.
    """

    file: str
    accept_from: float
    temperature: float
    architecture: str
    parameters: int
    multiply_adds: int
    reached: float  # share of the held-out images that reach the stage
    layer_outputs: list[LayerOutputRow] | None


class AcceptanceRow(TypedDict, total=False):
    """The acceptance rule. `shared/contract/model_spec.py` checks the fields that an engine needs.

    `held_out` and `test` say how many images of these sets are not accepted, and how many accepted answers are wrong.
    """

    threshold: float
    none_label: bool
    held_out: dict[str, int]
    test: dict[str, int]


class Input(TypedDict, total=False):
    """The images that the model takes. `shared/contract/model_spec.py` checks the fields.

    Cards of MNIST models have `shape`, `dtype` and `range`, which no code reads.
    """

    shape: list[int]
    dtype: str
    range: list[int]
    height: int
    width: int
    channels: int
    values: object
    layout: str
    resize: str
    batch: int


class Accuracy(TypedDict):
    """The accuracy on a data set. `engine` is the runtime that was measured."""

    dataset: str
    images: int
    correct: int
    accuracy: float
    interval_95: list[float]
    engine: str


class Corrected(TypedDict):
    """The accuracy on MNIST's test set with its known label errors corrected, without images of disputed labels."""

    images: int
    correct: int
    source: str


class Forced(TypedDict):
    """The reason why a version was published that the gate had refused, and the time in ISO 8601."""

    reason: str
    at: str


class Quality(TypedDict):
    """The part of a card that `python -m training evaluate` measures on a data set."""

    accuracy: Accuracy
    recall: dict[str, float]
    calibration_error: float


class ModelCard(TypedDict, total=False):
    """The fields of a card. `layer_outputs` is None if the layers have too many values. `files` has SHA-256 by name.

    `floor` and `reference` are checked where they are used: if they are wrong, the version can still serve.
    """

    name: str
    version: int
    architecture: str
    input: Input
    output: str
    labels: list[str]
    stages: list[StageRow]  # the networks of a cascade
    acceptance: AcceptanceRow  # without one, every answer counts
    parameters: int
    multiply_adds: int
    layers: list[LayerRow] | None
    layer_outputs: list[LayerOutputRow] | None
    accuracy: Accuracy | None
    files: dict[str, str]
    training: dict[str, object]  # as `python -m training` records it
    recall: dict[str, float]
    calibration_error: float
    corrected: Corrected
    temperature: Annotated[float, msgspec.Meta(ge=MIN_TEMPERATURE, le=MAX_TEMPERATURE)]  # without one: 1.0
    reference: object  # shares of each histogram in BINS
    floor: object  # minimum accuracy for the gate, from 0 to 1
    forced: Forced


def parse_card(data: bytes) -> ModelCard:
    """Return the card with all its fields. Raises msgspec.DecodeError if a known field has another type."""
    card: ModelCard = msgspec.json.decode(data)
    msgspec.convert(card, ModelCard)
    return card
