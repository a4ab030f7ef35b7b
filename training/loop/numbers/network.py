"""The network for numbers, for strips of any width or for one window, and its loss.

Each window has one output per digit, one for *no digit in the middle*, and one for a sign that is no digit. A strip
reads as the digits of its windows from left to right, without the windows that have none: Sak, Shannon, Rao and
Beaufays, "Recurrent Neural Aligner" (2017). Unlike in connectionist temporal classification, each digit has exactly one
window.
"""

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from shared.shapes import GAP, WINDOW_OUTPUTS, WINDOW_SHAPE

HEIGHT_PX, WINDOW_PX, _ = WINDOW_SHAPE
CONVOLUTIONS = ((24, 5, 2), (32, 3, 1), (64, 3, 2), (96, 3, 1), (128, (2, 5), 1))  # filters, kernel, stride
DESCRIPTION = "5 convolutions with batch normalisation and ReLU, 1 dense layer, softmax"
IMPOSSIBLE = -1e9

Tensor = Any  # a tensor of the backend


def strip_network(width_px: int | None = None) -> keras.Model:
    """Return the network for strips of any width: from pixels float32[N,28,W,1] to logits float32[N,T,12]."""
    image = keras.Input((HEIGHT_PX, width_px, 1), name="image")
    flow = layers.Rescaling(1 / 255, name="scale")(image)
    for number, (filters, kernel, stride) in enumerate(CONVOLUTIONS, 1):
        flow = layers.Conv2D(filters, kernel, stride, use_bias=False, name=f"conv{number}")(flow)
        flow = layers.BatchNormalization(momentum=0.98, name=f"norm{number}")(flow)
        flow = layers.ReLU(name=f"relu{number}")(flow)
    flow = layers.Dropout(0.2, name="dropout")(flow)
    flow = layers.Conv2D(WINDOW_OUTPUTS, 1, name="dense")(flow)
    return keras.Model(image, layers.Reshape((-1, WINDOW_OUTPUTS), name="logits")(flow), name="number")


def window_network(strips: keras.Model) -> keras.Model:
    """Return the network with the same weights for one window: from float32[N,28,40,1] to probabilities."""
    windows = strip_network(WINDOW_PX)
    windows.set_weights(strips.get_weights())
    flat = layers.Flatten(name="flat")(windows.output)
    return keras.Model(windows.input, layers.Softmax(name="probabilities")(flat), name="number")


def loss(signs: Tensor, logits: Tensor) -> Tensor:
    """Return the negative logarithm of the probability of each strip's signs: float32[N].

    `signs` is int32[N,S], outputs from left to right, and -1 after the last. `logits` is float32[N,T,WINDOW_OUTPUTS].
    """
    signs = ops.cast(signs, "int32")
    counts = ops.sum(ops.cast(signs >= 0, "int32"), axis=1)
    shares = ops.log_softmax(logits)
    most = signs.shape[1]
    # Window by window: the logarithms of the probabilities that the first signs have been read.
    emitted = ops.einsum("nto,nso->tns", shares, ops.one_hot(ops.maximum(signs, 0), WINDOW_OUTPUTS))
    gaps = ops.transpose(shares[:, :, GAP])[..., None]

    def further(window: Tensor, read: Tensor) -> Tensor:
        stayed, more = read + gaps[window], read[:, :most] + emitted[window]
        return ops.concatenate([stayed[:, :1], ops.logaddexp(stayed[:, 1:], more)], axis=1)

    none = ops.full_like(emitted[0], IMPOSSIBLE)
    read = ops.fori_loop(0, ops.shape(logits)[1], further, ops.concatenate([none[:, :1] * 0, none], axis=1))
    return -ops.sum(read * ops.one_hot(counts, most + 1), axis=1)


def best_texts(logits: np.ndarray) -> list[tuple[int, ...]]:
    """Return the signs of the most likely output of each window, for logits float32[N,T,WINDOW_OUTPUTS]."""
    return [tuple(int(each) for each in row if each != GAP) for row in logits.argmax(2)]
