"""`python -m benchmarks`: measure, print one report, write it with every raw figure under --out."""

import argparse
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import orjson

from benchmarks.load.inputs import Inputs, make_inputs
from benchmarks.measure.answers import check_service
from benchmarks.measure.bulk import measure_bulk
from benchmarks.measure.ceiling import measure_ceiling
from benchmarks.measure.compare import measure_peers
from benchmarks.measure.mixed import measure_mixed
from benchmarks.measure.overload import measure_overload
from benchmarks.measure.published import measure_published
from benchmarks.measure.single import measure_single
from benchmarks.measure.switch import measure_switch
from benchmarks.measure.workers import measure_workers
from benchmarks.plan import QUICK, SECTIONS, USUAL, Plan
from benchmarks.report.document import report
from benchmarks.report.figure import stacked_picture, typical_parts
from benchmarks.report.results import Round, Run
from benchmarks.system.machine import busy_cores, describe_machine
from benchmarks.system.processes import BenchmarkError
from mnistified import MnistifiedError as ClientError
from shared.errors import MnistifiedError

QUIET_CORES = 0.1


def main() -> None:
    arguments = parse_arguments(sys.argv[1:])
    signal.signal(signal.SIGINT, interrupt_once)
    signal.signal(signal.SIGTERM, interrupt_once)
    try:
        run = measure(arguments)
    except KeyboardInterrupt:
        sys.exit("benchmarks: interrupted, everything is stopped")
    except (BenchmarkError, ClientError, MnistifiedError, OSError, subprocess.SubprocessError) as error:
        sys.exit(f"benchmarks: {error}")
    text = report(run)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "results.json").write_bytes(orjson.dumps(run, option=orjson.OPT_INDENT_2))
    (arguments.out / "report.md").write_text(text)
    if parts := typical_parts(run.rounds):
        (arguments.out / "time-per-request.svg").write_text(stacked_picture(parts))
    print(text)


def parse_arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="rounds of all sections (default: 3)")
    parser.add_argument(
        "--sections", type=sections, default=USUAL, help=f"comma-separated, out of {','.join(SECTIONS)}"
    )
    parser.add_argument(
        "--quick", action="store_true", help="run for seconds as a smoke test: its figures mean nothing"
    )
    parser.add_argument("--out", type=Path, default=Path(".bench"), help="output folder")
    parser.add_argument("--peers-venv", type=Path, default=Path(".venv-peers"), help="where the peers are installed")
    return parser.parse_args(words)


def sections(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if unknown := set(names) - set(SECTIONS):
        raise argparse.ArgumentTypeError(f"no section {', '.join(sorted(unknown))}; expected {', '.join(SECTIONS)}")
    return names


def interrupt_once(signum: int, frame: object) -> None:
    """Stop everything at the first signal, and ignore further signals while stopping."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def measure(arguments: argparse.Namespace) -> Run:
    """Measure all rounds. Every process that was started has stopped when this returns or raises BenchmarkError."""
    plan = QUICK if arguments.quick else Plan()
    inputs = make_inputs(arguments.out / "inputs")
    log_dir = arguments.out / "logs"
    say("answers")
    max_error = check_service(inputs, log_dir)
    rounds = [
        measure_round(f"round {number} of {arguments.rounds}", arguments, plan, inputs)
        for number in range(1, arguments.rounds + 1)
    ]
    machine = describe_machine() | {"dataset": inputs.dataset, "dataset_images": len(inputs.images)}
    return Run(machine=machine, plan=asdict(plan), rounds=rounds, max_error=max_error)


def measure_round(title: str, arguments: argparse.Namespace, plan: Plan, inputs: Inputs) -> Round:
    """Measure every section once: figures are only compared within a round."""
    one = Round(foreign_cores=round(busy_cores(), 2))
    if one.foreign_cores > QUIET_CORES:
        say(f"{title}: other processes keep {one.foreign_cores:g} cores busy")
    log_dir = arguments.out / "logs"
    for section in arguments.sections:
        say(f"{title}: {section}")
        if section == "ceiling":
            one.ceiling = measure_ceiling(plan.ceiling_s)
        elif section == "bulk":
            one.bulk = measure_bulk(plan, inputs, log_dir)
        elif section == "single":
            one.single, one.open_loop = measure_single(plan, inputs, log_dir)
        elif section == "mixed":
            one.mixed = measure_mixed(plan, inputs, log_dir)
        elif section == "workers":
            one.workers = measure_workers(plan, inputs, log_dir)
        elif section == "peers":
            one.peers = measure_peers(plan, inputs, log_dir, arguments.peers_venv)
        elif section == "overload":
            one.overload = measure_overload(plan, inputs, log_dir)
        elif section == "published":
            one.published = measure_published(inputs, log_dir)
        elif section == "switch":
            one.switch = measure_switch(plan, inputs, log_dir)
    return one


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
