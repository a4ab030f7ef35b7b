"""The measurements of a check. Networks run in processes of their own: this process imports no backend."""

import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.load.inputs import Inputs, idx_of
from benchmarks.load.loops import closed_loop, run_json
from benchmarks.measure.answers import job_error
from benchmarks.measure.bulk import IDX, run_job, warm_up
from benchmarks.report.results import Job, Load
from benchmarks.system.processes import ROOT
from benchmarks.system.service import CLASSIFY, Service
from shared.models import registry
from tools.gpu_check.report import Device, Difference, Rate, Started

TIMEOUT_S = 600.0
WARM_S = 1.0
SHORT_JOB_IMAGES, SHORT_JOBS = 20_000, 3  # jobs up to this size run several times, and the median counts


def measure_engine(directory: Path, sizes: Sequence[int], seconds: float) -> tuple[Device, list[Rate]]:
    """Measure each network of a version alone, with the backend in KERAS_BACKEND."""
    command = [sys.executable, "-m", "tools.gpu_check.engine", str(directory), "--seconds", str(seconds)]
    result = run_json([*command, *map(str, sizes)], TIMEOUT_S)
    return Device(**result["device"]), [Rate(**each) for each in result["rates"]]


def measure_differences(refs: Sequence[str], images: int) -> list[Difference]:
    """Compare the networks of these versions in Keras and in LiteRT, with the backend in KERAS_BACKEND."""
    directories = [str(ROOT / "models" / ref.replace("@", "/")) for ref in refs]
    command = [sys.executable, "-m", "tools.gpu_check.differences", "--images", str(images), *directories]
    return [Difference(**each) for each in run_json(command, TIMEOUT_S)]


def published() -> list[str]:
    models = registry.list_models(ROOT / "models")
    return [f"{name}@{version}" for name, versions in models.items() for version in versions]


def describe_start(service: Service, ready_s: float) -> Started:
    (worker,) = service.client.status()["workers"]
    (ref, loaded), *_ = worker["models"].items()
    return Started(
        ready_s=ready_s, version=ref, batch_images=loaded["batch_images"], images_per_s=loaded["images_per_s"]
    )


def service_error(service: Service, inputs: Inputs) -> float:
    """Return the largest difference of a probability in a job of all images from those of LiteRT."""
    warm_up(service, inputs)
    return job_error(service.client, idx_of(inputs.images, len(inputs.images)), IDX, inputs.expected)


def measure_jobs(service: Service, inputs: Inputs, sizes: tuple[int, ...]) -> list[Job]:
    """Run jobs of these sizes. A short job runs several times, and the one of median duration is returned."""
    measured = []
    for images in sizes:
        body = idx_of(inputs.images, images)
        jobs = [run_job(service, body, images) for _ in range(SHORT_JOBS if images <= SHORT_JOB_IMAGES else 1)]
        measured.append(next(job for job in jobs if job.seconds == median(each.seconds for each in jobs)))
    return measured


def measure_load(service: Service, inputs: Inputs, connections: int, seconds: float) -> Load:
    for duration_s in (min(WARM_S, seconds), seconds):
        with closed_loop(service.port, CLASSIFY, inputs.png_files, connections, duration_s) as loop:
            load = loop.finish()
    return load
