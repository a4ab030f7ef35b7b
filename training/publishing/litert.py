"""The conversion of a Keras model to a LiteRT file."""

import tempfile

import keras
import tensorflow as tf


def convert(model: keras.Model) -> bytes:
    """Return a float32 LiteRT file for any batch size. Scaling, normalisation and ReLU go into the convolutions."""
    with tempfile.TemporaryDirectory() as directory:
        model.export(directory, verbose=False)
        flatbuffer: bytes = tf.lite.TFLiteConverter.from_saved_model(directory).convert()
    return flatbuffer
