"""The `none-head` command: give a trained network an output for "none of the labels", and keep its other answers.

A network that has this output gets a better one: a head that corrects it.
"""

from argparse import Namespace
from collections.abc import Sequence

import keras
import numpy as np
import numpy.typing as npt

from shared.data.dataset import Split
from shared.images import Images
from shared.shapes import CLASSES
from training import architecture, weights
from training.data.pictures import NONE, Pictures, read
from training.data.splits import choose_split, hold_out
from training.fitting.temperature import fit_temperature

EPOCHS = 14
BATCH_IMAGES = 512
LEARNING_RATE = 2e-3
DROPOUT = 0.2
# Weights of images in the loss. A digit that the head takes for none is lost, while a picture that it takes for a digit
# may still be recognised by a later stage of a cascade.
DATASET_WEIGHT, PICTURE_WEIGHT, NONE_WEIGHT = 6.0, 2.0, 1.0

Floats = npt.NDArray[np.float32]


def run(options: Namespace, command: str) -> None:
    """Add the output with the `options` of the command.

    Raises ModelError like `weights.load`, and DatasetError for missing data.
    """
    split = choose_split(options.mnist_dir, options.sample, None)
    base, _ = weights.load(options.start)
    pictures = [read(path) for path in options.pictures]
    keras.utils.set_random_seed(options.seed)
    model = add(base, split, pictures, options.units)
    record = {
        "command": command,
        "architecture": f"{weights.origin(options.start)['training'].get('architecture', base.name)}, "
        f"with {options.units} units for none of the labels",
        "units": options.units,
        "start": weights.origin(options.start),
        "dataset": split.name,
        "pictures": {path.name: each.sha256 for path, each in zip(options.pictures, pictures, strict=True)},
        "seed": options.seed,
    }
    weights.save(model, options.weights, record)
    print(f"Wrote {options.weights}")


def add(base: keras.Model, split: Split, pictures: Sequence[Pictures], units: int) -> keras.Model:
    """Return the network with an output for none of the labels, fitted to the training images and to `pictures`.

    The other outputs keep their proportions, and get the temperature that fits the held-out images.
    """
    fit_rows, held_out = hold_out(len(split.images))
    dense = base.get_layer("dense")
    look = keras.Model(base.input, [dense.input, dense.output])
    temperature = fit_temperature(_softmax(_outputs(look, split.images[held_out])[1]), split.labels[held_out])
    parts = [(split.images[fit_rows], split.labels[fit_rows], DATASET_WEIGHT)]
    parts += [(each.images, each.labels, PICTURE_WEIGHT) for each in pictures]
    features, logits = _outputs(look, np.concatenate([images for images, _, _ in parts]))
    labels = np.concatenate([labels for _, labels, _ in parts])
    image_weights = np.concatenate([np.full(len(labels), weight, np.float32) for _, labels, weight in parts])
    image_weights[labels == NONE] = NONE_WEIGHT
    head = _head(features.shape[1], units)
    before = logits[:, CLASSES:].sum(axis=1, keepdims=True)  # 0 for a network without this output
    _fit(
        head, features, _log_sum(logits[:, :CLASSES] / np.float32(temperature)) - before, labels == NONE, image_weights
    )
    return _joined(base, temperature, head)


def _joined(base: keras.Model, temperature: float, head: keras.Model) -> keras.Model:
    """Return the network with the logits of its labels divided by `temperature`, and with the logit of the head.

    The logit of the head is added to the one that the network has for none of the labels.
    """
    dense = base.get_layer("dense")
    kernel, bias = dense.get_weights()
    none = head(dense.input)
    if bias.size > CLASSES:
        corrected = keras.layers.Dense(1, name="none_before")
        none = keras.layers.Add(name="none_corrected")([none, corrected(dense.input)])
        corrected.set_weights([kernel[:, CLASSES:], bias[CLASSES:]])
    logits = keras.layers.Dense(CLASSES, name="labels")
    joined = keras.layers.Concatenate(name="logits")([logits(dense.input), none])
    logits.set_weights([kernel[:, :CLASSES] / temperature, bias[:CLASSES] / temperature])
    return keras.Model(base.input, keras.layers.Softmax(name="probabilities")(joined), name=base.name)


def _softmax(logits: Floats) -> Floats:
    """Return the probabilities of the labels, without that of none of them."""
    labels = logits[:, :CLASSES]
    probabilities: Floats = np.exp(labels - _log_sum(labels))
    return probabilities


def _head(features: int, units: int) -> keras.Model:
    """Return a small network from the features of an image to the logit of "none of the labels"."""
    inputs = keras.Input((features,))
    hidden = keras.layers.Dense(units, activation="relu")(keras.layers.Dropout(DROPOUT)(inputs))
    return keras.Model(inputs, keras.layers.Dense(1)(hidden), name=architecture.NONE_HEAD)


def _fit(head: keras.Model, features: Floats, log_sums: Floats, none: npt.NDArray[np.bool_], weights: Floats) -> None:
    """Fit the softmax over all outputs: the probability of none is a sigmoid of its logit minus `log_sums`."""
    inputs, offset = keras.Input((features.shape[1],)), keras.Input((1,))
    probability = keras.activations.sigmoid(head(inputs) - offset)
    model = keras.Model([inputs, offset], probability)
    steps = EPOCHS * -(-len(features) // BATCH_IMAGES)
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(LEARNING_RATE, steps)), "binary_crossentropy"
    )
    model.fit(
        [features, log_sums],
        none.astype(np.float32),
        sample_weight=weights,
        batch_size=BATCH_IMAGES,
        epochs=EPOCHS,
        verbose=2,
    )


def _outputs(look: keras.Model, images: Images) -> list[Floats]:
    """Return features and logits of images uint8[N,28,28]."""
    pieces = [
        [
            np.asarray(part)
            for part in look(images[start : start + BATCH_IMAGES, ..., None].astype(np.float32), training=False)
        ]
        for start in range(0, len(images), BATCH_IMAGES)
    ]
    return [np.concatenate(parts) for parts in zip(*pieces, strict=True)]


def _log_sum(logits: Floats) -> Floats:
    """Return the logarithm of the sum of the exponentials of each row, float32[N,1]."""
    largest = logits.max(axis=1, keepdims=True)
    log_sums: Floats = largest + np.log(np.exp(logits - largest).sum(axis=1, keepdims=True))
    return log_sums
