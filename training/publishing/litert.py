"""From a Keras model to a LiteRT file."""

import tempfile

import keras
import tensorflow as tf


def convert(model: keras.Model) -> bytes:
    """Return `model` as a float32 LiteRT file whose batch size is open.

    The converter folds scaling and batch normalisation into the convolutions, and ReLU too.
    """
    with tempfile.TemporaryDirectory() as directory:
        model.export(directory, verbose=False)
        flatbuffer: bytes = tf.lite.TFLiteConverter.from_saved_model(directory).convert()
    return flatbuffer
