"""Jobs: one IDX upload through the API, from its first byte to the job's final state."""

import time
from pathlib import Path

import mnistified
from benchmarks.load.inputs import Inputs, idx_of
from benchmarks.plan import Plan
from benchmarks.report.results import Job
from benchmarks.system.processes import BenchmarkError
from benchmarks.system.service import Service, running
from mnistified import Client
from mnistified.http.exchange import Body
from mnistified.uploads.chunks import CHUNK_BYTES

IDX = "application/x-idx"
ZIP = "application/zip"
MAX_JOB_S = 1200.0
WARM_IMAGES = 2_000


def measure_bulk(plan: Plan, inputs: Inputs, log_dir: Path) -> list[Job]:
    """Measure every size in turn, smallest first, on one fresh service."""
    with running(log_dir / "bulk") as service:
        warm_up(service, inputs)
        return [
            run_job(service, idx_of(inputs.images, images), images)
            for images, repeats in zip(plan.bulk_images, plan.bulk_jobs, strict=True)
            for _ in range(repeats)
        ]


def warm_up(service: Service, inputs: Inputs) -> None:
    run_job(service, idx_of(inputs.images, WARM_IMAGES), WARM_IMAGES)


def run_job(service: Service, body: bytes, images: int, model: str | None = None) -> Job:
    """Run a job of `model`, or of the default model. Raises BenchmarkError unless every image is done."""
    service.reset_peaks()
    before_s = service.cpu_s()
    start_s = time.perf_counter()
    finish_job(submit(service.client, body, model=model), images)
    seconds = time.perf_counter() - start_s
    cpu_s = {name: round(after_s - before_s[name], 2) for name, after_s in service.cpu_s().items()}
    return Job(images=images, workers=service.workers, seconds=seconds, peak_mib=service.peaks_mib(), cpu_s=cpu_s)


def submit(client: Client, body: bytes, kind: str = IDX, model: str | None = None) -> mnistified.Job:
    """Submit `body`, whose content type is `kind`, as a job, in pieces like those of the client's own uploads.

    The client's HTTP library copies the rest of a piece each time the socket takes a part of it.
    """
    pieces = range(0, len(body), CHUNK_BYTES)
    upload = Body(lambda: (body[at : at + CHUNK_BYTES] for at in pieces), kind, len(body))
    return client.submit_body(upload, model=model)


def finish_job(job: mnistified.Job, images: int) -> None:
    """Block until the job is final. Raises BenchmarkError unless every image is done."""
    state = job.wait(MAX_JOB_S)
    if state.counts["done"] != images:
        raise BenchmarkError(f"a job of {images} images ended as {state}")
