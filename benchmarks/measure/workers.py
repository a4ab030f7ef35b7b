"""Jobs with one worker and with two, one engine thread each: the gain of a second worker."""

from pathlib import Path

from benchmarks.load.inputs import Inputs, idx_of
from benchmarks.measure.bulk import run_job, warm_up
from benchmarks.plan import Plan
from benchmarks.report.results import Job
from benchmarks.system.service import running

ONE_THREAD = {"ENGINE_THREADS": "1"}


def measure_workers(plan: Plan, inputs: Inputs, log_dir: Path) -> list[Job]:
    jobs: list[Job] = []
    for workers in (1, 2):
        with running(log_dir / f"workers-{workers}", workers, ONE_THREAD) as service:
            warm_up(service, inputs)
            jobs += [run_job(service, idx_of(inputs.images, images), images) for images in plan.worker_images]
    return jobs
