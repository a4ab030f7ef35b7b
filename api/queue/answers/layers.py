"""The JSON of the outputs of a model's layers."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import msgspec

Png = Annotated[str, msgspec.Meta(extra_json_schema={"contentEncoding": "base64", "contentMediaType": "image/png"})]


class LayerSummary(TypedDict):
    """The summary of the values of a layer."""

    min: float | None
    mean: float | None
    max: float | None
    zeros: float | None


class Tiles(TypedDict):
    """The maps of a layer in a PNG, next to each other."""

    count: int
    columns: int
    height: int
    width: int


class Scale(TypedDict):
    """The values that are black and white in a PNG."""

    black: float
    white: float


Layer = TypedDict(
    "Layer",
    {
        "name": str,
        "class": str,
        "shape": Sequence[int],
        "summary": LayerSummary,
        "values": NotRequired[Annotated[Sequence[Any], msgspec.Meta(description="nested according to `shape`")]],
        "png": NotRequired[Png],
        "tiles": NotRequired[Tiles],
        "scale": NotRequired[Scale],
    },
)
Layer.__doc__ = "The output of a layer."


class Input(TypedDict):
    """The image as the model saw it."""

    shape: Sequence[int]
    dtype: Literal["uint8"]
    values: NotRequired[Sequence[Any]]
    png: NotRequired[Png]


class Layers(TypedDict):
    """The outputs of the layers. `layers` is null if they cannot be shown, and `layers_error` has the reason."""

    layers: list[Layer] | None
    layers_error: NotRequired[str]
    input: NotRequired[Input]
