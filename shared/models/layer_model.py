"""A Keras model with an output for each of its layers. The API must not import this file: Keras takes seconds."""

from typing import Any, NamedTuple

import keras
import numpy as np

from shared.contract.layers_blob import MAX_VALUES
from shared.shapes import IMAGE_SIDE

# Layers that do not change an image's values.
NOT_SHOWN = ("Dropout", "Flatten", "Reshape")


class Row(NamedTuple):
    """The layer of an output. `batch_axis` is not 0 if the model averages several views of an image."""

    name: str
    class_name: str
    batch_axis: int

    def of_one_image(self, values: np.ndarray) -> np.ndarray:
        """Drop the batch axis of one image's values, unless the batch holds several views of the image."""
        return np.squeeze(values, self.batch_axis) if values.shape[self.batch_axis] == 1 else values


def layer_model(model: keras.Model) -> tuple[keras.Model, list[Row]] | None:
    """Return a model with the same weights that outputs all layers in order; the last output is that of `model`.

    Layers of nested models are named `member/layer`. They are omitted if all outputs exceed MAX_VALUES.
    Returns None if the outer layers alone exceed it.
    """
    blank = np.zeros((1, IMAGE_SIDE, IMAGE_SIDE, 1), np.float32)
    for nested in (True, False):
        expanded, rows = _expand(model, nested)
        if sum(int(np.size(output)) for output in expanded(blank, training=False)) <= MAX_VALUES:
            return expanded, rows
    return None


def _expand(model: keras.Model, nested: bool) -> tuple[keras.Model, list[Row]]:
    shown: dict[str, list[tuple[Row, Any]]] = {}

    def call(operation: Any, *arguments: Any, **options: Any) -> Any:
        if nested and isinstance(operation, keras.Model):
            expanded, rows = _expand(operation, nested)
            outputs = expanded(*arguments, **options)
            named = (row._replace(name=f"{operation.name}/{row.name}") for row in rows)
            shown[operation.name] = list(zip(named, outputs, strict=True))
            return outputs[-1]
        output = operation(*arguments, **options)
        class_name = type(operation).__name__
        if class_name not in NOT_SHOWN or operation is model.operations[-1]:
            shown[operation.name] = [(Row(operation.name, class_name, output.shape.index(None)), output)]
        return output

    # Calls each operation again, with the same weights, but in another order than in the model.
    clone = keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=call)
    ordered = [each for operation in model.operations for each in shown.get(operation.name, ())]
    expanded = keras.Model(clone.input, [output for _, output in ordered], name=model.name)
    return expanded, [row for row, _ in ordered]
