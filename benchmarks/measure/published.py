"""Every published version through the service: how many of the test images it reads right, and how fast, by engine."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.load.http_call import call_json
from benchmarks.load.inputs import Inputs, idx_of, load_test_set
from benchmarks.measure.answers import ITEMS_LIMIT
from benchmarks.measure.bulk import WARM_IMAGES, finish_job, run_job, submit
from benchmarks.report.results import Published
from benchmarks.system.processes import ROOT, BenchmarkError
from benchmarks.system.service import Service, running
from shared.contract.model_ref import ModelRef
from shared.data.dataset import Labels
from shared.models import registry

ENGINES = ("litert", "tensorflow")
REPEATS = 3  # jobs, of which the median counts


def measure_published(inputs: Inputs, log_dir: Path, engines: Sequence[str] = ENGINES) -> list[Published]:
    """One worker for each engine; the versions one after another, each as jobs of the whole test set."""
    models = registry.list_models(ROOT / "models")
    refs = [str(ModelRef(name, version)) for name, versions in models.items() for version in versions]
    measured = []
    for engine in engines:
        with running(log_dir / f"published-{engine}", environ={"ENGINE": engine}) as service:
            measured += [measure_version(service, inputs, engine, ref) for ref in refs]
    return measured


def measure_version(service: Service, inputs: Inputs, engine: str, ref: str) -> Published:
    """Raises BenchmarkError unless every image is done, by that version."""
    run_job(service, idx_of(inputs.images, WARM_IMAGES), WARM_IMAGES, ref)  # loads it, too
    images = len(inputs.images)
    body = idx_of(inputs.images, images)
    rates = [run_job(service, body, images, ref).images_per_s for _ in range(REPEATS)]
    told = predictions(service.port, body, images, ref)
    return Published(
        model=ref,
        engine=engine,
        multiply_adds=registry.read_card(ROOT / "models", ref)["multiply_adds"],
        images=images,
        correct=int(np.count_nonzero(told == load_test_set().labels)),
        images_per_s=median(rates),
    )


def predictions(port: int, body: bytes, images: int, ref: str) -> Labels:
    """What a job told of each image, uint8[N]. Raises BenchmarkError where another version answered."""
    job_id = submit(port, body, model=ref)
    finish_job(port, job_id, images)
    told: list[int] = []
    while len(told) < images:
        page = call_json(port, "GET", f"/results/{job_id}/items?offset={len(told)}&limit={ITEMS_LIMIT}", 200)
        told += [item["prediction"] for item in page["items"]]
    if (model := call_json(port, "GET", f"/results/{job_id}", 200)["model"]) != ref:
        raise BenchmarkError(f"{ref} was asked, and {model} answered")
    return np.array(told, np.uint8)
