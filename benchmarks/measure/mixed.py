"""Singles while a job runs, compared with each alone, and small jobs queued behind a large job."""

import time
from pathlib import Path

from benchmarks.load.inputs import Inputs, idx_of
from benchmarks.load.loops import closed_loop, stop_early
from benchmarks.measure.bulk import finish_job, run_job, submit, warm_up
from benchmarks.plan import Plan
from benchmarks.report.results import Mixed
from benchmarks.system.service import CLASSIFY, running

LEAD_S = 0.3  # the singles start before the job
LONGEST_S = 600.0
SMALL_IMAGES = 10
SMALL_JOBS = 5


def measure_mixed(plan: Plan, inputs: Inputs, log_dir: Path) -> Mixed:
    """Measure the job alone, the singles alone, both at once for as long as the job, then small jobs behind it."""
    body = idx_of(inputs.images, plan.mixed_images)
    files, connections = inputs.png_files, plan.mixed_connections
    with running(log_dir / "mixed") as service:
        warm_up(service, inputs)
        job_alone = run_job(service, body, plan.mixed_images)
        with closed_loop(service.port, CLASSIFY, files, connections, plan.warm_s) as warming:
            warming.finish()
        with closed_loop(service.port, CLASSIFY, files, connections, plan.closed_s) as loop:
            singles_alone = loop.finish()
        with closed_loop(service.port, CLASSIFY, files, connections, LONGEST_S) as loop:
            time.sleep(LEAD_S)
            job_beside = run_job(service, body, plan.mixed_images)
            stop_early(loop)
            singles_beside = loop.finish()
        large = submit(service.client, body)
        small = [run_job(service, idx_of(inputs.images, SMALL_IMAGES), SMALL_IMAGES) for _ in range(SMALL_JOBS)]
        finish_job(large, plan.mixed_images)
    return Mixed(
        singles_alone=singles_alone,
        job_alone=job_alone,
        singles_beside=singles_beside,
        job_beside=job_beside,
        small_behind=small,
    )
