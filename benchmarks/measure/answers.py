"""Whether every path that is measured answers what the engine alone answers."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.load.http_call import call, call_json
from benchmarks.load.inputs import Inputs, idx_of, to_zip
from benchmarks.measure.bulk import IDX, finish_job, submit
from benchmarks.system.processes import BenchmarkError
from benchmarks.system.service import CLASSIFY, running
from shared.images import Probabilities

MAX_ERROR = 1e-4
ITEMS_LIMIT = 10_000  # of one reply


def check_service(inputs: Inputs, log_dir: Path) -> dict[str, float]:
    """The largest error of each path: singles, a zip of PNG files, an IDX upload of the test set."""
    with running(log_dir / "answers") as service:
        count = min(len(inputs.images), ITEMS_LIMIT)
        archive = job_error(service.port, to_zip(inputs.pngs), "application/zip", inputs.expected[: len(inputs.pngs)])
        upload = job_error(service.port, idx_of(inputs.images, count), IDX, inputs.expected[:count])
        return {"singles": singles_error(service.port, CLASSIFY, inputs), "zip": archive, "idx": upload}


def singles_error(port: int, path: str, inputs: Inputs) -> float:
    """Of each PNG, one by one."""
    return max(single_error(call_png(port, path, png), inputs.expected[index]) for index, png in enumerate(inputs.pngs))


def call_png(port: int, path: str, png: bytes) -> bytes:
    """Raises BenchmarkError for anything but a 200."""
    status, content = call(port, "POST", path, png, {"Content-Type": "image/png"})
    if status != 200:
        raise BenchmarkError(f"POST {path}: {status}: {content[:500].decode(errors='replace')}")
    return content


def job_error(port: int, body: bytes, kind: str, expected: Probabilities) -> float:
    job_id = submit(port, body, kind)
    finish_job(port, job_id, len(expected))
    items = call_json(port, "GET", f"/results/{job_id}/items?limit={ITEMS_LIMIT}", 200)["items"]
    return largest_error([item["probabilities"] for item in items], expected)


def largest_error(answers: Any, expected: Probabilities) -> float:
    """The largest difference between two float[N,10]; infinite where an answer is missing or another's."""
    told: npt.NDArray[np.float64] = np.asarray(answers, np.float64)
    if told.shape != expected.shape or not np.isfinite(told).all():
        return float("inf")
    return float(np.abs(told - expected).max(initial=0.0))


def single_error(reply: bytes, expected: Probabilities) -> float:
    """Of one reply against float32[10]; infinite where its prediction is not the most probable digit."""
    told = json.loads(reply)
    probabilities = told["debug"]["probabilities"]
    if told["prediction"] != int(np.argmax(probabilities)):
        return float("inf")
    return largest_error([probabilities], expected[None])
