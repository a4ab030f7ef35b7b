"""A Keras model with an output for each of its layers. Importing this file imports Keras (seconds): not for the API."""

from typing import Any, NamedTuple

import keras
import numpy as np

from shared.contract.layers_blob import MAX_VALUES
from shared.images import IMAGE_SIDE

# These hand on what they were given: each image's values are the same as a layer before.
NOT_SHOWN = ("Dropout", "Flatten", "Reshape")


class Row(NamedTuple):
    """What an output is of; `batch_axis` is where its images lie: not first where views of an image are averaged."""

    name: str
    class_name: str
    batch_axis: int

    def of_one_image(self, values: np.ndarray) -> np.ndarray:
        """Without the batch axis, unless it has the several views that a layer was given of the one image."""
        return np.squeeze(values, self.batch_axis) if values.shape[self.batch_axis] == 1 else values


def layer_model(model: keras.Model) -> tuple[keras.Model, list[Row]] | None:
    """`model`, with the same weights, from one image to its layers' outputs in order; the last is the model's own.

    The layers of a model within it are named `member/layer`, and left out where all of them are more than MAX_VALUES.
    None where the outer ones alone are.
    """
    blank = np.zeros((1, IMAGE_SIDE, IMAGE_SIDE, 1), np.float32)
    for within in (True, False):
        opened, rows = _open(model, within)
        if sum(int(np.size(output)) for output in opened(blank, training=False)) <= MAX_VALUES:
            return opened, rows
    return None


def _open(model: keras.Model, within: bool) -> tuple[keras.Model, list[Row]]:
    shown: dict[str, list[tuple[Row, Any]]] = {}

    def call(operation: Any, *arguments: Any, **options: Any) -> Any:
        if within and isinstance(operation, keras.Model):
            opened, rows = _open(operation, within)
            outputs = opened(*arguments, **options)
            named = (row._replace(name=f"{operation.name}/{row.name}") for row in rows)
            shown[operation.name] = list(zip(named, outputs, strict=True))
            return outputs[-1]
        output = operation(*arguments, **options)
        class_name = type(operation).__name__
        if class_name not in NOT_SHOWN or operation is model.operations[-1]:
            shown[operation.name] = [(Row(operation.name, class_name, output.shape.index(None)), output)]
        return output

    # Calls every operation anew, on its own weights, and in another order than they have in the model.
    clone = keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=call)
    ordered = [each for operation in model.operations for each in shown.get(operation.name, ())]
    opened = keras.Model(clone.input, [output for _, output in ordered], name=model.name)
    return opened, [row for row, _ in ordered]
