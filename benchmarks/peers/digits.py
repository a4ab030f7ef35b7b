"""What every peer shares with us: the model on the same engine, and with each other: the decoding and the reply.

Runs in the peers' own environment, which has numpy, Pillow and ai-edge-litert.
"""

import io
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from shared.images import IMAGE_SIDE, Images
from worker.engine import Engine, load_engine

ROUTE = "/classify"


@dataclass(frozen=True, slots=True)
class Tuning:
    """What a peer is run with; the choices are in `catalog.py`."""

    port: int
    model_dir: Path
    workers: int
    threads: int
    batch_images: int
    wait_ms: float


def tuning() -> Tuning:
    """From the environment."""
    environ = os.environ
    return Tuning(
        port=int(environ["PEER_PORT"]),
        model_dir=Path(environ["PEER_MODEL_DIR"]),
        workers=int(environ["PEER_WORKERS"]),
        threads=int(environ["PEER_THREADS"]),
        batch_images=int(environ["PEER_BATCH_IMAGES"]),
        wait_ms=float(environ["PEER_WAIT_MS"]),
    )


def load_digits() -> Engine:
    """Our own engine: every batch size warmed and measured."""
    chosen = tuning()
    return load_engine("litert", chosen.model_dir, chosen.threads, chosen.batch_images)


def decode_png(data: bytes) -> Images:
    """uint8[28,28]. Raises ValueError for another size, and what Pillow raises for no image."""
    with Image.open(io.BytesIO(data)) as image:
        if image.size != (IMAGE_SIDE, IMAGE_SIDE):
            raise ValueError(f"expected a 28×28 image, got {image.width}×{image.height}")
        return np.asarray(image.convert("L"))


def classify(engine: Engine, pngs: list[bytes], started_s: list[float]) -> list[dict[str, Any]]:
    """The replies to a batch, in order; `started_s` is when each came, by `time.perf_counter`."""
    probabilities = engine.predict(np.stack([decode_png(png) for png in pngs]))  # float32[N,10]
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
