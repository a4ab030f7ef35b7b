"""The results of a check and their tables, as Markdown. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.report.markdown import number, table
from benchmarks.report.results import Job, Load

MAX_DIFFERENCE = 1e-3  # between probabilities; adding float32 numbers in another order makes less than this


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """The device that runs the models. `kind` is the engine, such as `jax`."""

    name: str
    is_gpu: bool
    kind: str
    versions: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A network in batches of one size, alone: from uint8 in memory to float32 in memory.

    `compile_s` is the time of the first run. `paired_images_per_s` is the rate with two batches at a time.
    """

    network: str
    size: int
    compile_s: float
    ms: float
    images_per_s: float
    paired_images_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The largest differences of a network's probabilities and of its layers' values between Keras and LiteRT."""

    network: str
    images: int
    of_probabilities: float
    of_layers: float
    other_predictions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The start of the service. `images_per_s` is the worker's own measurement of the default version."""

    ready_s: float
    version: str
    batch_images: int
    images_per_s: float


def about(device: Device, machine: dict[str, object]) -> str:
    on = device.name if device.is_gpu else f"no GPU: {device.kind} runs on the CPU ({machine['cpu']})"
    return (
        f"Device: {on}.\n"
        f"Machine: {machine['cores']} cores ({machine['cpu']}), Python {machine['python']}, {device.versions}, "
        f"{machine['date']}."
    )


def rates_table(rates: Sequence[Rate]) -> str:
    head = ("network", "batch", "first run, s", "ms", "images/s", "images/s, two batches at a time")
    rows = [
        (each.network, str(each.size), *_numbers(each.compile_s, each.ms, each.images_per_s, each.paired_images_per_s))
        for each in rates
    ]
    return table(head, rows)


def _numbers(*values: float) -> Sequence[str]:
    return [number(value) for value in values]


def started_text(started: Started) -> str:
    return (
        f"The service was ready after {number(started.ready_s)} s.\n"
        f"The worker runs {started.version} in batches of {started.batch_images}, "
        f"and measured {number(started.images_per_s)} images/s."
    )


def jobs_table(jobs: Sequence[Job]) -> str:
    head = ("job, images", "images/s", "CPU, cores: worker", "API", "Redis")
    programs = ("worker-1", "api", "redis")
    rows = [
        (f"{job.images:,}", *_numbers(job.images_per_s, *(job.cpu_s[program] / job.seconds for program in programs)))
        for job in jobs
    ]
    return table(head, rows)


def loads_table(loads: Sequence[Load]) -> str:
    head = ("connections", "requests/s", "p50, ms", "p99, ms", "failed")
    rows = [
        (str(load.connections), *_numbers(load.requests_per_s, load.p50_ms, load.p99_ms), str(load.failed))
        for load in loads
    ]
    return table(head, rows)


def differences_table(differences: Sequence[Difference]) -> str:
    head = ("network", "images", "largest difference from LiteRT", "of a layer's value", "other predictions")
    return table(
        head,
        [
            (
                each.network,
                f"{each.images:,}",
                f"{each.of_probabilities:.1e}",
                f"{each.of_layers:.1e}",
                str(each.other_predictions),
            )
            for each in differences
        ],
    )


def faults(service_error: float, loads: Sequence[Load], differences: Sequence[Difference]) -> list[str]:
    """Return what is wrong, in sentences."""
    found = []
    if not service_error <= MAX_DIFFERENCE:
        found.append(f"the service's answers differ from LiteRT's by {service_error:.1e}")
    found += [
        f"with {load.connections} connections, {load.failed} requests were refused or failed"
        for load in loads
        if load.failed
    ]
    found += [
        f"{each.network}: probabilities differ from LiteRT's by {each.of_probabilities:.1e}"
        for each in differences
        if not each.of_probabilities <= MAX_DIFFERENCE
    ]
    return found
