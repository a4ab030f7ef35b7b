"""Jobs: one IDX upload through the API, from its first byte to the job's final state."""

import time
from pathlib import Path

from benchmarks.load.http_call import call_json
from benchmarks.load.inputs import Inputs, idx_of
from benchmarks.plan import Plan
from benchmarks.report.results import Job
from benchmarks.system.processes import BenchmarkError
from benchmarks.system.service import Service, running

IDX = "application/x-idx"
WAIT_S = 60
MAX_WAITS = 20
WARM_IMAGES = 2_000


def measure_bulk(plan: Plan, inputs: Inputs, log_dir: Path) -> list[Job]:
    """Every size in turn, smallest first, on one fresh service."""
    with running(log_dir / "bulk") as service:
        warm_up(service, inputs)
        return [
            run_job(service, idx_of(inputs.images, images), images)
            for images, repeats in zip(plan.bulk_images, plan.bulk_jobs, strict=True)
            for _ in range(repeats)
        ]


def warm_up(service: Service, inputs: Inputs) -> None:
    run_job(service, idx_of(inputs.images, WARM_IMAGES), WARM_IMAGES)


def run_job(service: Service, body: bytes, images: int, model: str = "") -> Job:
    """Of the default model, or of `model`. Raises BenchmarkError unless every image is done."""
    service.reset_peaks()
    before_s = service.cpu_s()
    start_s = time.perf_counter()
    finish_job(service.port, submit(service.port, body, model=model), images)
    seconds = time.perf_counter() - start_s
    cpu_s = {name: round(after_s - before_s[name], 2) for name, after_s in service.cpu_s().items()}
    return Job(images=images, workers=service.workers, seconds=seconds, peak_mib=service.peaks_mib(), cpu_s=cpu_s)


def submit(port: int, body: bytes, kind: str = IDX, model: str = "") -> str:
    """POST a job; its id."""
    query = f"?model={model}" if model else ""
    job_id: str = call_json(port, "POST", f"/mnist/classify/bulk{query}", 202, body, kind)["id"]
    return job_id


def finish_job(port: int, job_id: str, images: int) -> None:
    """Block until the job is final. Raises BenchmarkError unless every image is done."""
    for _ in range(MAX_WAITS):
        job = call_json(port, "GET", f"/results/{job_id}?wait={WAIT_S}", 200)
        if job["state"] not in ("queued", "running"):
            break
    if job["counts"]["done"] != images:
        raise BenchmarkError(f"a job of {images} images ended as {job}")
