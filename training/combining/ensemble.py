"""The `ensemble` command: combine trained networks, each applied to several views of the image, into one model."""

import math
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np

from shared.images import IMAGE_SIDE
from training import architecture, weights


@dataclass(frozen=True, slots=True)
class View:
    """The image rotated by `angle_deg` and scaled by `scale`."""

    angle_deg: float = 0.0
    scale: float = 1.0

    @property
    def matrix(self) -> np.ndarray:
        """The view as float32[784,784]: flat image × matrix = flat view, sampled bilinearly, 0 outside the image."""
        last = IMAGE_SIDE - 1
        rows, columns = np.mgrid[:IMAGE_SIDE, :IMAGE_SIDE].reshape(2, -1) - last / 2
        cos, sin = (turn(math.radians(self.angle_deg)) / self.scale for turn in (math.cos, math.sin))
        x, y = cos * columns - sin * rows + last / 2, sin * columns + cos * rows + last / 2
        matrix = np.zeros((IMAGE_SIDE**2, IMAGE_SIDE**2), np.float32)
        outputs = np.arange(IMAGE_SIDE**2)
        for right in (0, 1):
            for below in (0, 1):
                column, row = np.floor(x).astype(int) + right, np.floor(y).astype(int) + below
                share = (1 - np.abs(x - column)) * (1 - np.abs(y - row))
                inside = (column >= 0) & (column <= last) & (row >= 0) & (row <= last)
                matrix[(row * IMAGE_SIDE + column)[inside], outputs[inside]] += share[inside]
        return matrix


VIEWS = (View(), View(scale=0.93), View(scale=1.07))  # for --views


def run(options: Namespace, command: str) -> None:
    """Run the command with `options` from `training/__main__.py`. Raises ModelError like `weights.load`."""
    members = [weights.load(path) for path in options.member]
    if options.none_odds:
        for model, _ in members:
            architecture.weigh_none(model, options.none_odds)
    views = VIEWS if options.views else VIEWS[:1]
    model = build([model for model, _ in members], views)
    views_text = f", {len(views)} views of the image each" if options.views else ""
    record = {
        "command": command,
        "architecture": f"{len(members)} networks{views_text}, averaged",
        "members": [weights.origin(path) for path in options.member],
        "none_odds": options.none_odds,
    }
    weights.save(model, options.weights, record)
    print(f"Wrote {options.weights}")


def build(members: Sequence[keras.Model], views: Sequence[View]) -> keras.Model:
    """Return a model from raw pixels float32[N,28,28,1] to the mean answer float32[N,10] of all members to all views.

    A member gets all views as one batch, so that the exported file holds its weights only once.
    """
    inputs = keras.Input((IMAGE_SIDE, IMAGE_SIDE, 1), name="image")
    batch = keras.layers.Concatenate(axis=0, name="views")([_view(inputs, view, n) for n, view in enumerate(views, 1)])
    answers = []
    for number, member in enumerate(members, start=1):
        renamed = keras.models.clone_model(member)
        renamed.set_weights(member.get_weights())
        renamed.name = f"member{number}"
        renamed.trainable = False
        answers.append(keras.ops.reshape(renamed(batch), (len(views), -1, member.output.shape[-1])))
    joined = answers[0] if len(answers) == 1 else keras.layers.Concatenate(axis=0, name="answers")(answers)
    return keras.Model(inputs, keras.ops.mean(joined, axis=0), name="ensemble")


def _view(inputs: keras.KerasTensor, view: View, number: int) -> keras.KerasTensor:
    if view == View():
        return inputs
    flat = keras.layers.Flatten(name=f"view{number}_flatten")(inputs)
    resample = keras.layers.Dense(IMAGE_SIDE**2, use_bias=False, trainable=False, name=f"view{number}")
    resampled = resample(flat)
    resample.set_weights([view.matrix])
    return keras.layers.Reshape((IMAGE_SIDE, IMAGE_SIDE, 1), name=f"view{number}_reshape")(resampled)
