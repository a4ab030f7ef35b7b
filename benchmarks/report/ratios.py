"""The ratios with goals, computed round by round. Pure."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.measure.answers import MAX_ERROR
from benchmarks.report.results import Job, Load, Mixed, Overload, Round, Run, Switch
from shared.contract.model_ref import ModelRef

PerRound = Callable[[Round], float | None]
LoadFigure = Callable[[Load], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A lower or an upper bound."""

    at_least: float | None = None
    at_most: float | None = None

    def met_by(self, value: float) -> bool:
        if self.at_least is not None:
            return value >= self.at_least
        return self.at_most is None or value <= self.at_most

    def __str__(self) -> str:
        return f"≥ {self.at_least:g}" if self.at_least is not None else f"≤ {self.at_most:g}"


@dataclass(frozen=True, slots=True)
class Ratio:
    """One figure: its value in each round that has it. A figure without a goal is listed for comparison."""

    label: str
    goal: Goal | None
    values: list[float]


# (connections, label, figure to compare, 1 if the best peer has the highest and -1 if it has the lowest, goal)
COMPARED: tuple[tuple[int, str, LoadFigure, int, Goal], ...] = (
    (1, "1 connection: p50 over the best peer's", lambda load: load.p50_ms, -1, Goal(at_most=0.25)),
    *(
        (number, f"{number} connections: requests/s over the best peer's", lambda load: load.requests_per_s, 1, goal)
        for number, goal in ((16, Goal(at_least=2.5)), (64, Goal(at_least=1.3)), (256, Goal(at_least=1.3)))
    ),
)
# Goals for the newest version of each name, in LiteRT.
ACCURACY = {"cnn": 0.9975, "cnn-small": 0.996, "cnn-accurate": 0.9985}


def all_ratios(run: Run) -> list[Ratio]:
    """Return every ratio that this run has measured."""
    ratios = [
        *bulk_ratios(run.rounds),
        *single_ratios(run.rounds),
        *mixed_ratios([one.mixed for one in run.rounds if one.mixed]),
        *worker_ratios(run.rounds),
        *overload_ratios([one.overload for one in run.rounds if one.overload]),
        *(
            _ratio(f"accuracy of the newest {name}", Goal(at_least=goal), run.rounds, _newest_accuracy(name))
            for name, goal in ACCURACY.items()
        ),
        *switch_ratios([one.switch for one in run.rounds if one.switch]),
    ]
    for path, error in (service_errors(run) | peer_errors(run.rounds)).items():
        label = f"largest difference to the engine's own probabilities, {path}"
        ratios.append(Ratio(label, Goal(at_most=MAX_ERROR), [error]))
    return [ratio for ratio in ratios if ratio.values]


def service_errors(run: Run) -> dict[str, float]:
    """Return the largest difference to the engine's own probabilities, by path."""
    loaded = [single.max_error for one in run.rounds for single in one.single]
    return run.max_error | ({"singles under load": max(loaded)} if loaded else {})


def peer_errors(rounds: list[Round]) -> dict[str, float]:
    errors: dict[str, float] = {}
    for one in rounds:
        for peer in one.peers:
            if peer.singles:
                errors[peer.name] = max(peer.max_error, errors.get(peer.name, 0.0))
    return errors


def bulk_ratios(rounds: list[Round]) -> list[Ratio]:
    return [
        _ratio("bulk 10k, images/s over the ceiling", Goal(at_least=0.9), rounds, _over_ceiling),
        _ratio("bulk, cost per image, 100k over 1k", Goal(at_most=1.15), rounds, _cost_growth),
        _ratio("bulk, peak memory, 100k less 1k: API, MiB", Goal(at_most=64), rounds, _memory_growth("api")),
        _ratio("bulk, peak memory, 100k less 1k: worker, MiB", Goal(at_most=64), rounds, _memory_growth("worker-1")),
    ]


def single_ratios(rounds: list[Round]) -> list[Ratio]:
    """Compare with the best peer that batches, and, without a goal, with the best peer of all if it is another."""
    ratios = []
    for connections, label, figure, sign, goal in COMPARED:
        batching = best_peer(rounds, connections, figure, sign)
        best = best_peer(rounds, connections, figure, sign, batching_only=False)
        for name, bound in ((batching, goal), (best, None)):
            if name and (bound or name != batching):
                full_label = f"single, {label} ({name})"
                ratios.append(_ratio(full_label, bound, rounds, _over_peer(name, connections, figure)))
    return ratios


def mixed_ratios(mixed: Sequence[Mixed]) -> list[Ratio]:
    p99s = [each.singles_beside.p99_ms / each.singles_alone.p99_ms for each in mixed]
    rates = [each.job_beside.images_per_s / each.job_alone.images_per_s for each in mixed]
    slowest_s = [max(job.seconds for job in each.small_behind) for each in mixed]
    return [
        Ratio("mixed: singles' p99 during a job over singles' p99 alone", Goal(at_most=5), p99s),
        Ratio("mixed: a job's images/s during singles over the job alone", Goal(at_least=0.75), rates),
        Ratio("mixed: a job of 10 images behind that job, seconds", Goal(at_most=1), slowest_s),
    ]


def worker_ratios(rounds: list[Round]) -> list[Ratio]:
    return [
        _ratio(f"bulk {size // 1000}k, two workers over one", Goal(at_least=1.6), rounds, _second_worker(size))
        for size in sorted({job.images for one in rounds for job in one.workers})
    ]


def overload_ratios(overloads: Sequence[Overload]) -> list[Ratio]:
    """Compare the worse of the two overloads with full load."""
    p99s = [max(each.impatient.p99_ms, each.patient.p99_ms) / each.full.p99_ms for each in overloads]
    failures: list[float] = [
        sum(sum(load.failed.values()) for load in (each.full, each.impatient, each.patient)) for each in overloads
    ]
    return [
        Ratio("overload: p99 of what is accepted over full load's", Goal(at_most=2), p99s),
        Ratio("overload: neither answered nor refused", Goal(at_most=0), failures),
    ]


def switch_ratios(switches: Sequence[Switch]) -> list[Ratio]:
    return [
        Ratio("promotion under load: failed requests", Goal(at_most=0), [each.failed for each in switches]),
        Ratio(
            "promotion under load: answers of another version", Goal(at_most=0), [each.misnamed for each in switches]
        ),
        Ratio(
            "promotion under load: p99 during over before",
            Goal(at_most=2),
            [each.during_p99_ms / each.before_p99_ms for each in switches],
        ),
        Ratio("canary: off its share, in standard deviations", Goal(at_most=3), list(map(_canary_off, switches))),
    ]


def best_peer(
    rounds: list[Round], connections: int, figure: LoadFigure, sign: int = 1, batching_only: bool = True
) -> str:
    """Return the peer with the highest median `figure`, or the lowest if `sign` is -1. "" if no peer was measured."""
    figures: dict[str, list[float]] = {}
    for one in rounds:
        for peer in one.peers:
            if batching_only and not peer.batches:
                continue
            for single in peer.singles:
                if single.load.connections == connections:
                    figures.setdefault(peer.name, []).append(figure(single.load))
    return max(figures, key=lambda name: sign * median(figures[name]), default="")


def median_rate(jobs: list[Job], images: int, workers: int = 1) -> float | None:
    """Return the median images/s of the jobs of this size in one round."""
    rates = [job.images_per_s for job in jobs if job.images == images and job.workers == workers]
    return median(rates) if rates else None


def _ratio(label: str, goal: Goal | None, rounds: list[Round], value: PerRound) -> Ratio:
    return Ratio(label, goal, [number for one in rounds if (number := value(one)) is not None])


def _quotient(above: float | None, below: float | None) -> float | None:
    return above / below if above is not None and below else None


def _over_ceiling(one: Round) -> float | None:
    return _quotient(median_rate(one.bulk, 10_000), one.ceiling.images_per_s) if one.ceiling else None


def _cost_growth(one: Round) -> float | None:
    return _quotient(median_rate(one.bulk, 1_000), median_rate(one.bulk, 100_000))


def _memory_growth(process: str) -> PerRound:
    def growth(one: Round) -> float | None:
        small = [job.peak_mib[process] for job in one.bulk if job.images == 1_000]
        large = [job.peak_mib[process] for job in one.bulk if job.images == 100_000]
        return max(large) - median(small) if small and large else None

    return growth


def _over_peer(name: str, connections: int, figure: LoadFigure) -> PerRound:
    def over(one: Round) -> float | None:
        ours = [single.load for single in one.single if single.load.connections == connections]
        peers = [peer for peer in one.peers if peer.name == name]
        theirs = [single.load for peer in peers for single in peer.singles if single.load.connections == connections]
        return _quotient(figure(ours[0]), figure(theirs[0])) if ours and theirs else None

    return over


def _second_worker(images: int) -> PerRound:
    return lambda one: _quotient(median_rate(one.workers, images, 2), median_rate(one.workers, images, 1))


def _newest_accuracy(name: str) -> PerRound:
    def newest(one: Round) -> float | None:
        ours = {ModelRef.parse(each.model): each.accuracy for each in one.published if each.engine == "litert"}
        newest_ref = max((ref for ref in ours if ref.name == name), key=lambda ref: ref.version, default=None)
        return ours[newest_ref] if newest_ref else None

    return newest


def _canary_off(switch: Switch) -> float:
    """Return the distance from the expected share, in standard deviations of the binomial."""
    requests, share = switch.canary_requests, switch.canary_percent / 100
    return abs(switch.canary_answers - requests * share) / math.sqrt(requests * share * (1 - share))
