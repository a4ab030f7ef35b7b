"""The peers, under the same closed loops as our own route."""

import shutil
from pathlib import Path

from benchmarks.load.inputs import Inputs
from benchmarks.measure.answers import singles_error
from benchmarks.measure.single import measure_loop
from benchmarks.peers.catalog import Peer, installed_peers, serving
from benchmarks.peers.digits import ROUTE
from benchmarks.plan import Plan
from benchmarks.report.results import PeerRun
from benchmarks.system.processes import BenchmarkError, Process


def measure_peers(plan: Plan, inputs: Inputs, log_dir: Path, venv: Path) -> list[PeerRun]:
    """Measure one peer after the other. A peer that fails is reported with its error and stops no other."""
    return [measure_peer(peer, plan, inputs, log_dir, venv) for peer in installed_peers(venv)]


def measure_peer(peer: Peer, plan: Plan, inputs: Inputs, log_dir: Path, venv: Path) -> PeerRun:
    """Measure one peer. If it fails under some load, its results under lighter loads still count."""
    folder = log_dir / peer.name.replace(" ", "-")
    shutil.rmtree(folder, ignore_errors=True)
    errors, singles, failure = [0.0], [], ""
    try:
        with serving(peer, venv, inputs.pngs[0], folder) as (port, processes):
            errors.append(singles_error(port, ROUTE, inputs))
            for connections in plan.connections:
                single = measure_loop(port, ROUTE, connections, plan, inputs, lambda: cpu_s(processes))
                singles.append(single)
                errors.append(single.max_error)
    except (BenchmarkError, OSError, ValueError) as error:
        failure = str(error)
    return PeerRun(name=peer.name, batches=peer.batches, singles=singles, max_error=max(errors), error=failure)


def cpu_s(processes: dict[str, Process]) -> dict[str, float]:
    return {name: process.cpu_s() for name, process in processes.items()}
