"""The network `cnn`: five small convolutions, one dense layer."""

import keras

from shared.images import CLASSES, IMAGE_SIDE

NAME = "cnn"
DESCRIPTION = "5 convolutions with batch normalisation and ReLU, 1 dense layer, softmax"

# (filters, kernel side, stride, padding); the strides take 28×28 to 14×14 to 7×7, the last one to 5×5.
CONVOLUTIONS = (
    (32, 5, 2, "same"),
    (40, 3, 1, "same"),
    (64, 3, 2, "same"),
    (64, 3, 1, "same"),
    (56, 3, 1, "valid"),
)
DROPOUT = 0.3
NORM_MOMENTUM = 0.95  # forgets in 20 steps, so that runs of a few dozen steps get usable statistics too


def build() -> keras.Model:
    """Return the untrained model, float32[N,28,28,1] of raw pixels 0 to 255 → float32[N,10] probabilities.

    Scaling is its first layer, so that nobody outside has to know of it.
    """
    inputs = keras.Input((IMAGE_SIDE, IMAGE_SIDE, 1), name="image")
    x = keras.layers.Rescaling(1 / 255, name="scale")(inputs)
    for number, (filters, kernel, stride, padding) in enumerate(CONVOLUTIONS, start=1):
        x = keras.layers.Conv2D(
            filters,
            kernel,
            stride,
            padding,
            use_bias=False,
            kernel_initializer="he_normal",
            name=f"conv{number}",
        )(x)
        x = keras.layers.BatchNormalization(momentum=NORM_MOMENTUM, name=f"norm{number}")(x)
        x = keras.layers.ReLU(name=f"relu{number}")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    x = keras.layers.Dropout(DROPOUT, name="dropout")(x)
    x = keras.layers.Dense(CLASSES, name="dense")(x)
    return keras.Model(inputs, keras.layers.Softmax(name="probabilities")(x), name=NAME)
