"""The part that all peers share: the model on our own engine, the decoding and the reply.

Runs in the peers' own environment, which has numpy, Pillow and ai-edge-litert.
"""

import io
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from shared.images import Images
from shared.shapes import IMAGE_SIDE
from worker.engine import Engine, load_engine

ROUTE = "/classify"


@dataclass(frozen=True, slots=True)
class Tuning:
    """The settings of a peer, which `catalog.py` chooses."""

    port: int
    model_dir: str
    workers: int
    threads: int
    batch_images: int
    wait_ms: float


def tuning() -> Tuning:
    """Read the settings from the environment."""
    return Tuning(**json.loads(os.environ["PEER_TUNING"]))


def load_digits() -> Engine:
    """Return our own engine, with every batch size warmed up and measured."""
    chosen = tuning()
    return load_engine("litert", Path(chosen.model_dir), chosen.threads, chosen.batch_images)


def decode_png(data: bytes) -> Images:
    """Return uint8[28,28]. Raises ValueError for another size, and Pillow's errors for a bad image."""
    with Image.open(io.BytesIO(data)) as image:
        if image.size != (IMAGE_SIDE, IMAGE_SIDE):
            raise ValueError(f"expected a 28×28 image, got {image.width}×{image.height}")
        return np.asarray(image.convert("L"))


def classify(engine: Engine, pngs: list[bytes], started_s: list[float]) -> list[dict[str, Any]]:
    """Return the replies to a batch, in order. `started_s` are the arrival times, by `time.perf_counter`."""
    probabilities = engine.predict(np.stack([decode_png(png) for png in pngs])).probabilities  # float32[N,10]
    predictions = probabilities.argmax(axis=1).tolist()
    now_s = time.perf_counter()
    return [
        {
            "prediction": prediction,
            "elapsed_time_ms": round((now_s - start_s) * 1e3, 3),
            "debug": {"probabilities": row},
        }
        for prediction, row, start_s in zip(predictions, probabilities.tolist(), started_s, strict=True)
    ]
