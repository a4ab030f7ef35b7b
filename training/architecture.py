"""The network architectures, by name. All map raw pixels float32[N,28,28,1] to probabilities float32[N,10 or 11]."""

from dataclasses import dataclass
from typing import Literal

import keras
import numpy as np

from shared.shapes import CLASSES, IMAGE_SIDE

# float32[3,3], a slight blur of the images that the service classifies. Augmentation resamples the training images,
# which blurs them: bilinear sampling between two pixels has an average variance of 1/6 along an axis, this kernel 1/4.
# A network that was trained on blurred images is more accurate on blurred images than on sharp ones.
SMOOTHING = np.outer((1, 6, 1), (1, 6, 1)).astype(np.float32) / 64
SMOOTH = "smooth"  # name of the layer that applies SMOOTHING
NONE_HEAD = "none"  # name of the layers that the command `none-head` adds
NORM_MOMENTUM = 0.95  # averages over about 20 steps, so that even runs of a few dozen steps get usable statistics


@dataclass(frozen=True, slots=True)
class Smooth:
    """A fixed blur with the kernel SMOOTHING. `set_smoothing` turns it on and off."""


@dataclass(frozen=True, slots=True)
class Conv:
    """A square convolution with ReLU, by default with batch normalisation instead of a bias."""

    filters: int
    kernel: int
    stride: int = 1
    padding: Literal["same", "valid"] = "same"
    norm: bool = True


@dataclass(frozen=True, slots=True)
class Pool:
    """Max pooling over squares of `side`×`side`."""

    side: int


@dataclass(frozen=True, slots=True)
class Dropout:
    rate: float


@dataclass(frozen=True, slots=True)
class Dense:
    """A dense layer with ReLU. The feature maps are flattened before the first one."""

    units: int


Layer = Smooth | Conv | Pool | Dropout | Dense


@dataclass(frozen=True, slots=True)
class Network:
    """An architecture: `layers` lie between the scaling of the pixels and the dense layer of the ten classes."""

    description: str
    layers: tuple[Layer, ...]


NETWORKS = {
    # The numbers of filters are multiples of 32, because the CPU kernels compute 32 at a time anyway.
    "cnn": Network(
        "5 convolutions with batch normalisation and ReLU, 1 dense layer, softmax",
        (Smooth(), Conv(32, 5, 2), Conv(32, 3), Conv(64, 3, 2), Conv(64, 3), Conv(64, 3, 1, "valid"), Dropout(0.3)),
    ),
    "cnn-small": Network(
        "4 small convolutions with batch normalisation and ReLU, 1 dense layer, softmax",
        (Smooth(), Conv(16, 5, 2), Conv(32, 3, 2), Conv(32, 3), Conv(48, 3, 1, "valid"), Dropout(0.2)),
    ),
    "cnn-first": Network(
        "4 convolutions with batch normalisation and ReLU, 1 dense layer, softmax",
        (Smooth(), Conv(16, 5, 2), Conv(32, 3, 2), Conv(48, 3), Conv(64, 3, 1, "valid"), Dropout(0.2)),
    ),
    "cnn-deep": Network(
        "6 wide 3×3 convolutions with batch normalisation and ReLU, 1 dense layer, softmax",
        (
            Smooth(),
            Conv(32, 3),
            Conv(64, 3, 2),
            Conv(64, 3),
            Conv(128, 3, 2),
            Conv(128, 3),
            Conv(128, 3, 1, "valid"),
            Dropout(0.4),
        ),
    ),
    "cnn-wide": Network(
        "6 wide 3×3 convolutions with batch normalisation and ReLU, 1 dense layer, softmax",
        (
            Smooth(),
            Conv(24, 3),
            Conv(48, 3, 2),
            Conv(48, 3),
            Conv(96, 3, 2),
            Conv(96, 3),
            Conv(96, 3, 1, "valid"),
            Dropout(0.4),
        ),
    ),
    "cnn-wide5": Network(
        "6 wide 5×5 and 3×3 convolutions with batch normalisation and ReLU, 1 dense layer, softmax",
        (
            Smooth(),
            Conv(24, 5),
            Conv(32, 5, 2),
            Conv(48, 3),
            Conv(64, 5, 2),
            Conv(96, 3),
            Conv(96, 3, 1, "valid"),
            Dropout(0.4),
        ),
    ),
    "seed": Network(
        "2 convolutions of 32 3×3 filters, pool, dense 128, dense layer, softmax",
        (
            Conv(32, 3, 1, "valid", norm=False),
            Conv(32, 3, 1, "valid", norm=False),
            Pool(2),
            Dropout(0.25),
            Dense(128),
            Dropout(0.5),
        ),
    ),
}


def build(name: str, none_label: bool = False) -> keras.Model:
    """Return the untrained network, which scales its pixels first. Raises KeyError for a name not in NETWORKS.

    With `none_label` it has one more output, for images that show none of the labels.
    """
    inputs = keras.Input((IMAGE_SIDE, IMAGE_SIDE, 1), name="image")
    x = keras.layers.Rescaling(1 / 255, name="scale")(inputs)
    numbers = {Smooth: 0, Conv: 0, Pool: 0, Dropout: 0, Dense: 0}
    for layer in NETWORKS[name].layers:
        numbers[type(layer)] += 1
        x = _add(x, layer, numbers[type(layer)])
    x = _flatten(x)
    x = keras.layers.Dense(CLASSES + none_label, name="dense")(x)
    return keras.Model(inputs, keras.layers.Softmax(name="probabilities")(x), name=name)


def weigh_none(model: keras.Model, odds: float) -> None:
    """Multiply the odds of "none of the labels" by `odds` in the answers of a network with such an output.

    Among the images of a service it is rarer than in training. M. Saerens et al., "Adjusting the Outputs of a
    Classifier to New a Priori Probabilities" (2002).
    """
    heads = [layer for layer in model.layers if layer.name == NONE_HEAD]
    last = heads[0].layers[-1] if heads else model.get_layer("dense")
    kernel, bias = last.get_weights()
    bias[-1] += np.log(odds)
    last.set_weights([kernel, bias])


def set_smoothing(model: keras.Model, on: bool) -> None:
    """Turn a model's smoothing, if it has any, on for serving or off for images that distortion has blurred."""
    for layer in model.layers:
        if layer.name == SMOOTH:
            layer.set_weights([_along_rows(SMOOTHING if on else np.outer((0, 1, 0), (0, 1, 0)))])


def _add(x: keras.KerasTensor, layer: Layer, number: int) -> keras.KerasTensor:
    match layer:
        case Smooth():
            return smooth(x)
        case Conv():
            return _convolve(x, layer, number)
        case Pool(side):
            return keras.layers.MaxPooling2D(side, name=f"pool{number}")(x)
        case Dropout(rate):
            return keras.layers.Dropout(rate, name=f"dropout{number}")(x)
        case Dense(units):
            x = keras.layers.Dense(units, kernel_initializer="he_normal", name=f"hidden{number}")(_flatten(x))
            return keras.layers.ReLU(name=f"hidden_relu{number}")(x)


def smooth(x: keras.KerasTensor) -> keras.KerasTensor:
    """Blur float32[N,28,28,1] as 28 steps of 28 channels: one channel takes the engines three times as long."""
    rows = keras.layers.Reshape((IMAGE_SIDE, IMAGE_SIDE), name="rows")(x)
    blur = keras.layers.Conv1D(IMAGE_SIDE, len(SMOOTHING), padding="same", use_bias=False, trainable=False, name=SMOOTH)
    blur.build(rows.shape)
    blur.set_weights([_along_rows(SMOOTHING)])
    return keras.layers.Reshape((IMAGE_SIDE, IMAGE_SIDE, 1), name="smoothed")(blur(rows))


def _along_rows(kernel: np.ndarray) -> np.ndarray:
    """Return a 3×3 kernel as Conv1D weights float32[3,28,28]: kernel row, input column, output column."""
    shifted = [np.eye(IMAGE_SIDE, k=1 - column) for column in range(len(kernel))]
    weights: np.ndarray = np.einsum("rc,cio->rio", kernel, shifted).astype(np.float32)
    return weights


def _convolve(x: keras.KerasTensor, layer: Conv, number: int) -> keras.KerasTensor:
    x = keras.layers.Conv2D(
        layer.filters,
        layer.kernel,
        layer.stride,
        layer.padding,
        use_bias=not layer.norm,
        kernel_initializer="he_normal",
        name=f"conv{number}",
    )(x)
    if layer.norm:
        x = keras.layers.BatchNormalization(momentum=NORM_MOMENTUM, name=f"norm{number}")(x)
    return keras.layers.ReLU(name=f"relu{number}")(x)


def _flatten(x: keras.KerasTensor) -> keras.KerasTensor:
    return keras.layers.Flatten(name="flatten")(x) if len(x.shape) > 2 else x
