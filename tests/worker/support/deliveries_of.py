"""Deliveries made by hand, for tests."""

import numpy as np

from shared.contract.entry import Entry
from shared.contract.lane import Lane
from shared.redis.keys import stream
from worker.delivery import Delivery


def images(count: int, seed: int = 0) -> np.ndarray:
    """uint8[count,28,28], no two alike."""
    return np.random.default_rng(seed).integers(0, 256, (count, 28, 28), np.uint8)


def delivery(
    count: int, lane: Lane = "bulk", model: str = "cnn@1", chunk: int | None = None, verbose: bool = False
) -> Delivery:
    entry = Entry("0123456789abcdef", model, images(count).tobytes(), 0, chunk=chunk, verbose=verbose)
    return Delivery(entry, stream(model.partition("@")[0], lane), lane, b"1-0")
