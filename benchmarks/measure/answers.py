"""Checks that every measured path gives the same answers as the engine alone."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.load.http_call import call
from benchmarks.load.inputs import Inputs, idx_of, to_zip
from benchmarks.measure.bulk import IDX, ZIP, finish_job, submit
from benchmarks.system.processes import BenchmarkError
from benchmarks.system.service import CLASSIFY, running
from mnistified import Client
from shared.images import Probabilities

MAX_ERROR = 1e-4
MAX_IMAGES = 10_000  # in the IDX upload


def check_service(inputs: Inputs, log_dir: Path) -> dict[str, float]:
    """Return the largest error of each path: singles, a zip of PNG files, an IDX upload of the test set."""
    with running(log_dir / "answers") as service:
        count = min(len(inputs.images), MAX_IMAGES)
        archive = job_error(service.client, to_zip(inputs.pngs), ZIP, inputs.expected[: len(inputs.pngs)])
        upload = job_error(service.client, idx_of(inputs.images, count), IDX, inputs.expected[:count])
        return {"singles": singles_error(service.port, CLASSIFY, inputs), "zip": archive, "idx": upload}


def singles_error(port: int, path: str, inputs: Inputs) -> float:
    """Return the largest error over all PNG files, sent one by one."""
    return max(single_error(call_png(port, path, png), inputs.expected[index]) for index, png in enumerate(inputs.pngs))


def call_png(port: int, path: str, png: bytes) -> bytes:
    """Return the reply. Raises BenchmarkError for any status but 200."""
    status, content = call(port, "POST", path, png, {"Content-Type": "image/png"})
    if status != 200:
        raise BenchmarkError(f"POST {path}: {status}: {content[:500].decode(errors='replace')}")
    return content


def job_error(client: Client, body: bytes, kind: str, expected: Probabilities) -> float:
    job = submit(client, body, kind)
    finish_job(job, len(expected))
    return largest_error([item.probabilities for item in job.items()], expected)


def largest_error(answers: Any, expected: Probabilities) -> float:
    """Return the largest difference between two float[N,10], infinite if an answer is missing."""
    actual: npt.NDArray[np.float64] = np.asarray(answers, np.float64)
    if actual.shape != expected.shape or not np.isfinite(actual).all():
        return float("inf")
    return float(np.abs(actual - expected).max(initial=0.0))


def single_error(reply: bytes, expected: Probabilities) -> float:
    """Return the error of one reply, infinite if its prediction is not the most probable digit."""
    answer = json.loads(reply)
    probabilities = answer["debug"]["probabilities"]
    if answer["prediction"] != int(np.argmax(probabilities)):
        return float("inf")
    return largest_error([probabilities], expected[None])
