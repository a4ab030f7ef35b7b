"""Accuracy and speed of every published version, through the service, by engine."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.load.inputs import Inputs, idx_of, load_test_set
from benchmarks.measure.bulk import WARM_IMAGES, finish_job, run_job, submit
from benchmarks.report.results import Published
from benchmarks.system.processes import ROOT, BenchmarkError
from benchmarks.system.service import Service, running
from mnistified import Client
from shared.contract.model_ref import ModelRef
from shared.data.dataset import Labels
from shared.models import registry

ENGINES = ("litert", "tensorflow")
REPEATS = 3  # jobs; the median counts


def measure_published(inputs: Inputs, log_dir: Path, engines: Sequence[str] = ENGINES) -> list[Published]:
    """Measure the versions one after another, with one worker per engine and jobs of the whole test set."""
    models = registry.list_models(ROOT / "models")
    refs = [str(ModelRef(name, version)) for name, versions in models.items() for version in versions]
    measured = []
    for engine in engines:
        with running(log_dir / f"published-{engine}", environ={"ENGINE": engine}) as service:
            measured += [measure_version(service, inputs, engine, ref) for ref in refs]
    return measured


def measure_version(service: Service, inputs: Inputs, engine: str, ref: str) -> Published:
    """Measure one version. Raises BenchmarkError unless this version has answered every image."""
    run_job(service, idx_of(inputs.images, WARM_IMAGES), WARM_IMAGES, ref)  # loads the version too
    images = len(inputs.images)
    body = idx_of(inputs.images, images)
    rates = [run_job(service, body, images, ref).images_per_s for _ in range(REPEATS)]
    predicted = predictions(service.client, body, images, ref)
    return Published(
        model=ref,
        engine=engine,
        multiply_adds=registry.read_card(ROOT / "models", ref)["multiply_adds"],
        images=images,
        correct=int(np.count_nonzero(predicted == load_test_set().labels)),
        images_per_s=median(rates),
    )


def predictions(client: Client, body: bytes, images: int, ref: str) -> Labels:
    """Return a job's prediction for each image, uint8[N]. Raises BenchmarkError if another version answered."""
    job = submit(client, body, model=ref)
    finish_job(job, images)
    if job.state.model != ref:
        raise BenchmarkError(f"{ref} was requested, and {job.state.model} answered")
    return np.array([item.prediction for item in job.items()], np.uint8)
