"""`python -m tools.gpu_check`: check and measure a worker on a GPU, and print tables.

Needs JAX (or TensorFlow), Keras and the packages of the service, but no other servers. It starts the whole service with
one worker, and ends everything that it has started. Without a GPU, the models run on the CPU, and the output says so.
"""

import argparse
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.load.inputs import make_inputs
from benchmarks.system.engine import default_model_dir
from benchmarks.system.machine import describe_machine
from benchmarks.system.processes import BenchmarkError
from benchmarks.system.service import running
from mnistified import MnistifiedError as ClientError
from shared.config.engine import KERAS_BACKENDS
from shared.errors import MnistifiedError
from tools.gpu_check import measure, report
from worker.engine.choose import choose_kind

READY_S = 600.0  # a worker compiles each batch size of its models before it is ready
CONNECTIONS = (1, 64)


def main() -> None:
    options = parse_arguments(sys.argv[1:])
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt_once)
    try:
        faults = check(options)
    except KeyboardInterrupt:
        sys.exit("gpu_check: interrupted, everything is stopped")
    except (BenchmarkError, ClientError, MnistifiedError, OSError) as error:
        sys.exit(f"gpu_check: {error}")
    if faults:
        sys.exit("\n".join(["gpu_check:", *faults]))


def parse_arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.gpu_check", description=__doc__)
    parser.add_argument("--engine", choices=("keras", *KERAS_BACKENDS), default="keras", help="ENGINE of the worker")
    parser.add_argument("--sizes", type=numbers, default=(1, 8, 32, 64, 128, 256), help="batch sizes, comma-separated")
    parser.add_argument("--jobs", type=numbers, default=(10_000, 100_000), help="images of the jobs, comma-separated")
    parser.add_argument("--seconds", type=float, default=5.0, help="duration of a load of single images (default: 5)")
    parser.add_argument("--images", type=int, default=2_000, help="images that are compared with LiteRT")
    parser.add_argument("--models", type=names, help="versions to compare, comma-separated (default: all of models/)")
    return parser.parse_args(words)


def numbers(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split(","))


def names(text: str) -> list[str]:
    return text.split(",")


def interrupt_once(signum: int, frame: object) -> None:
    """Stop everything at the first signal, and ignore further signals while stopping."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def check(options: argparse.Namespace) -> list[str]:
    """Measure and print section by section. Returns the faults. Raises BenchmarkError, and errors of the service."""
    kind = choose_kind(options.engine)
    os.environ["KERAS_BACKEND"] = kind  # for the processes that run networks
    os.environ["ENGINE"] = "litert"  # the engine that makes the expected answers
    with tempfile.TemporaryDirectory(prefix="gpu-check-") as name:
        folder = Path(name)
        inputs = make_inputs(folder / "inputs")
        device, rates = measure.measure_engine(default_model_dir(), options.sizes, min(1.0, options.seconds))
        say(report.about(device, describe_machine()))
        say(report.rates_table(rates))
        start_s = time.perf_counter()
        with running(folder / "logs", environ={"ENGINE": kind}, ready_s=READY_S) as service:
            say(report.started_text(measure.describe_start(service, time.perf_counter() - start_s)))
            error = measure.service_error(service, inputs)
            say(f"Largest difference of an answer of the service from LiteRT: {error:.1e}.")
            say(report.jobs_table(measure.measure_jobs(service, inputs, options.jobs)))
            loads = [measure.measure_load(service, inputs, each, options.seconds) for each in CONNECTIONS]
            say(report.loads_table(loads))
    differences = measure.measure_differences(options.models or measure.published(), options.images)
    say(report.differences_table(differences))
    return report.faults(error, loads, differences)


def say(text: str) -> None:
    print(text, end="\n\n", flush=True)


if __name__ == "__main__":
    main()
