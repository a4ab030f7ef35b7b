"""Ten times the load that fills the service: how much is still answered, and how soon the service recovers."""

import time
from pathlib import Path

from benchmarks.load.inputs import Inputs
from benchmarks.load.loops import client_command, run_json
from benchmarks.plan import Plan
from benchmarks.report.results import Flooded, Overload
from benchmarks.system.processes import BenchmarkError
from benchmarks.system.service import CLASSIFY, Service, running
from mnistified import MnistifiedError

TIMES = 10
NORMAL_MS = 100.0  # a single that is faster than this is answered normally
COME_BACK_S = 60.0
REST_S = 3.0
DRAIN_S = 40.0  # for answers that are late: longer than a request waits in the service
SPARE_S = 20.0  # for the client to start and end


def measure_overload(plan: Plan, inputs: Inputs, log_dir: Path) -> Overload:
    """Measure full load, then ten times its connections: first without patience, then heeding `Retry-After`."""
    with running(log_dir / "overload") as service:
        flood(service, inputs, plan.full_connections, plan.warm_s)
        full = flood(service, inputs, plan.full_connections, plan.closed_s)
        if not full.accepted:
            raise BenchmarkError(f"nothing was answered at full load: {full}")
        time.sleep(REST_S)
        crowd = TIMES * plan.full_connections
        return Overload(
            full=full,
            impatient=flood(service, inputs, crowd, plan.overload_s),
            patient=flood(service, inputs, crowd, plan.overload_s, patient=True),
        )


def flood(service: Service, inputs: Inputs, connections: int, seconds: float, patient: bool = False) -> Flooded:
    """Run one closed loop, then wait until the service is as before."""
    before_mib = service.rss_mib()
    service.reset_peaks()
    command = client_command(service.port, CLASSIFY, inputs.png_files, connections, seconds)
    command += ["--drain-s", str(DRAIN_S), *(["--patient"] if patient else [])]
    answers = run_json(command, timeout_s=seconds + DRAIN_S + SPARE_S)
    del answers["late_p99_ms"]
    normal_s = seconds_until_normal(service, inputs)
    peak_mib = service.peaks_mib()
    time.sleep(REST_S)
    return Flooded(
        connections=connections,
        patient=patient,
        normal_s=normal_s,
        before_mib=before_mib,
        peak_mib=peak_mib,
        after_mib=service.rss_mib(),
        **answers,
    )


def seconds_until_normal(service: Service, inputs: Inputs) -> float:
    """Return the time until a single is answered within NORMAL_MS."""
    start_s = time.perf_counter()
    while (sent_s := time.perf_counter()) < start_s + COME_BACK_S:
        try:
            service.client.classify(inputs.pngs[0])
        except MnistifiedError:
            continue
        answered_s = time.perf_counter()
        if answered_s - sent_s <= NORMAL_MS / 1e3:
            return answered_s - start_s
    raise BenchmarkError(f"no single is answered within {NORMAL_MS:g} ms, {COME_BACK_S:g} s after the overload")
