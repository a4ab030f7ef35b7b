"""Training of the network for numbers on drawn strips."""

import time

import keras
import numpy as np

from training.loop.numbers import network
from training.loop.numbers.strips import Strips, batches

WEIGHT_DECAY = 0.02
WARMUP_SHARE = 0.03  # share of the time
AVERAGED_STEPS = 300  # length of the weights' moving average


def fit(
    strips: Strips,
    held_out: Strips,
    seconds: float,
    seed: int,
    learning_rate: float,
    start: keras.Model | None = None,
) -> keras.Model:
    """Train for `seconds`, and return the network with averaged weights. Prints how it does after each epoch."""
    keras.utils.set_random_seed(seed)
    model = network.strip_network()
    if start is not None:
        model.set_weights(start.get_weights())
    optimizer = keras.optimizers.AdamW(
        learning_rate, weight_decay=WEIGHT_DECAY, global_clipnorm=5.0, use_ema=True, ema_momentum=1 - 1 / AVERAGED_STEPS
    )
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    model.compile(optimizer, loss=network.loss, jit_compile=False)
    begun_s, epoch = time.monotonic(), 0
    while (share := (time.monotonic() - begun_s) / seconds) < 1:
        losses = []
        for pixels, signs in batches(strips, np.random.default_rng((seed, epoch))):
            share = (time.monotonic() - begun_s) / seconds
            if share >= 1:
                break
            optimizer.learning_rate = learning_rate * min(share / WARMUP_SHARE, 0.5 + 0.5 * np.cos(np.pi * share))
            losses.append(float(model.train_on_batch(pixels, signs)))
        epoch += 1
        print(
            f"epoch {epoch}, {share:.0%}: loss {np.mean(losses):.4f}, held out {right_of(model, held_out):.2%}",
            flush=True,
        )
    optimizer.finalize_variable_values(model.trainable_variables)  # the averaged weights
    return model


def right_of(model: keras.Model, strips: Strips) -> float:
    """Return the share of strips whose most likely outputs are all right."""
    rights = [
        text == tuple(int(sign) for sign in row if sign >= 0)
        for pixels, signs in batches(strips, None)
        for text, row in zip(network.best_texts(np.asarray(model(pixels, training=False))), signs, strict=True)
    ]
    return float(np.mean(rights))
