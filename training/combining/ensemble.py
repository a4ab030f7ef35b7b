"""The `ensemble` command: combine trained networks, each applied to several views of the image, into one model."""

import math
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np

from shared.errors import ModelError
from shared.shapes import CLASSES, IMAGE_SIDE
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
    """Run the command with the `options` of the command.

    Raises ModelError like `weights.load`, and for a wrong number of shares.
    """
    members = [weights.load(path) for path in options.member]
    shares = options.share or [1.0] * len(members)
    if len(shares) != len(members):
        raise ModelError(f"there are {len(members)} members and {len(shares)} shares: give one for each member or none")
    outputs = max(model.output.shape[-1] for model, _ in members)
    for model, _ in members:
        if options.none_odds and model.output.shape[-1] == outputs:
            architecture.weigh_none(model, options.none_odds)
    views = VIEWS if options.views else VIEWS[:1]
    model = build([model for model, _ in members], views, shares)
    views_text = f", {len(views)} views of the image each" if options.views else ""
    record = {
        "command": command,
        "architecture": f"{len(members)} networks{views_text}, averaged",
        "members": [weights.origin(path) for path in options.member],
        "shares": shares,
        "none_odds": options.none_odds,
    }
    weights.save(model, options.weights, record)
    print(f"Wrote {options.weights}")


def build(members: Sequence[keras.Model], views: Sequence[View], shares: Sequence[float] = ()) -> keras.Model:
    """Return a model from raw pixels float32[N,28,28,1] to the mean answer float32[N,outputs] of all members.

    A member gets all views as one batch, so that the exported file holds its weights only once. `shares` are the
    members' shares in the mean, by default equal ones. A member that has no output for none of the labels leaves that
    to the others.
    """
    inputs = keras.Input((IMAGE_SIDE, IMAGE_SIDE, 1), name="image")
    seen = [_view(inputs, view, number) for number, view in enumerate(views, start=1)]
    batch = keras.layers.Concatenate(axis=0, name="views")(seen) if len(seen) > 1 else seen[0]
    answers = []
    for number, member in enumerate(members, start=1):
        renamed = keras.models.clone_model(member)
        renamed.set_weights(member.get_weights())
        renamed.name = f"member{number}"
        renamed.trainable = False
        each = keras.ops.reshape(renamed(batch), (len(views), -1, member.output.shape[-1]))
        answers.append(keras.ops.mean(each, axis=0))
    return keras.Model(inputs, _mean(answers, shares or [1.0] * len(members)), name="ensemble")


def _mean(answers: Sequence[keras.KerasTensor], shares: Sequence[float]) -> keras.KerasTensor:
    """Return the weighted mean of answers float32[N,10 or 11]."""
    outputs = max(answer.shape[-1] for answer in answers)
    knowing = [(answer, share) for answer, share in zip(answers, shares, strict=True) if answer.shape[-1] == outputs]
    mean = _weighted(knowing)
    if len(knowing) == len(answers):
        return mean
    none = mean[:, CLASSES:]
    others = [
        (keras.ops.concatenate([answer * (1 - none), none], axis=1), share)
        for answer, share in zip(answers, shares, strict=True)
        if answer.shape[-1] < outputs
    ]
    return _weighted([(mean, sum(share for _, share in knowing)), *others])


def _weighted(parts: Sequence[tuple[keras.KerasTensor, float]]) -> keras.KerasTensor:
    total = sum(share for _, share in parts)
    scaled = [answer * (share / total) for answer, share in parts]
    return sum(scaled[1:], scaled[0])


def _view(inputs: keras.KerasTensor, view: View, number: int) -> keras.KerasTensor:
    if view == View():
        return inputs
    flat = keras.layers.Flatten(name=f"view{number}_flatten")(inputs)
    resample = keras.layers.Dense(IMAGE_SIDE**2, use_bias=False, trainable=False, name=f"view{number}")
    resampled = resample(flat)
    resample.set_weights([view.matrix])
    return keras.layers.Reshape((IMAGE_SIDE, IMAGE_SIDE, 1), name=f"view{number}_reshape")(resampled)
