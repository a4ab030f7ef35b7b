"""One run as Markdown: the ratios with their goals first, then the figures behind them. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import attrgetter
from statistics import median
from typing import Any, TypeVar

from benchmarks.report.figure import PARTS
from benchmarks.report.markdown import Row, number, summary, table
from benchmarks.report.ratios import Ratio, all_ratios
from benchmarks.report.results import Flooded, Job, Published, Round, Run, Single
from mnistified.http.load import percentile

OURS = "MNISTified"

T = TypeVar("T")


def report(run: Run) -> str:
    """Return all tables. Sections that were not measured are left out."""
    sections = [
        ("", describe(run)),
        ("Ratios", ratio_table(all_ratios(run))),
        ("Single images, closed loop", single_table(run.rounds)),
        ("Where the time of a request goes, ms", parts_table(run.rounds)),
        ("Single images, open loop", open_table(run.rounds)),
        ("Bulk", job_table(run.rounds)),
        ("Singles and a job at once", mixed_table(run.rounds)),
        ("Overload", overload_table(run.rounds)),
        ("Published versions, through the service", published_table(run.rounds)),
        ("A promotion and a rollback under load", switch_table(run.rounds)),
        ("What failed, by peer", errors(run.rounds)),
    ]
    return "\n\n".join(f"## {title}\n\n{text}" if title else text for title, text in sections if text) + "\n"


def describe(run: Run) -> str:
    machine = run.machine
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_mib']} MiB, {machine['system']}, "
        f"Python {machine['python']}, {machine['date']}. Client and servers share the machine, over loopback. "
        f"{machine['dataset_images']} images of {machine['dataset']}. "
        f"Medians of {len(run.rounds)} rounds (min–max); before a round, other processes kept at most "
        f"{max(one.foreign_cores for one in run.rounds):g} cores busy.\n\n{packages}."
    )


def ratio_table(ratios: list[Ratio]) -> str:
    rows = []
    for ratio in ratios:
        goal = ratio.goal
        verdict = "" if goal is None else "met" if goal.met_by(median(ratio.values)) else "**missed**"
        rows.append((ratio.label, summary(ratio.values), "" if goal is None else str(goal), verdict))
    return table(("figure", "measured", "goal", ""), rows)


def single_table(rounds: list[Round]) -> str:
    """Compare our service and each peer, by connections."""
    cells: dict[tuple[int, str], list[Single]] = {}
    for one in rounds:
        for name, singles in [(OURS, one.single), *((peer.name, peer.singles) for peer in one.peers)]:
            for single in singles:
                cells.setdefault((single.load.connections, name), []).append(single)
    rows = [
        (
            str(connections),
            name,
            *summaries([single.load for single in singles], "requests_per_s", "p50_ms", "p99_ms"),
            str(sum(single.load.failed for single in singles)),
            batches([size for single in singles for size in single.batch_images]),
            cores(singles),
        )
        for (connections, name), singles in sorted(cells.items(), key=lambda cell: cell[0][0])
    ]
    head = ("connections", "system", "requests/s", "p50, ms", "p99, ms", "failed", "batches", "cores kept busy")
    return table(head, rows)


def parts_table(rounds: list[Round]) -> str:
    measured = [single for one in rounds for single in one.single if single.parts]
    rows = [
        (str(connections), *summaries([single.parts for single in same], *PARTS))
        for connections, same in grouped(measured, "load.connections")
    ]
    return table(("connections", *(label for label, _ in PARTS.values())), rows)


def open_table(rounds: list[Round]) -> str:
    rows = [
        (
            f"{share:.0%}",
            *summaries(loads, "wanted_per_s", "achieved_per_s", "p50_ms", "p99_ms"),
            str(sum(load.failed for load in loads)),
            *summaries(loads, "late_p99_ms"),
        )
        for share, loads in grouped([load for one in rounds for load in one.open_loop], "share_of_capacity")
    ]
    head = ("of capacity", "wanted/s", "achieved/s", "p50, ms", "p99, ms", "failed", "client late, p99, ms")
    return table(head, rows)


def job_table(rounds: list[Round]) -> str:
    """List the ceiling, jobs with default settings, and jobs with one engine thread per worker."""
    rows: list[Row] = []
    if ceilings := [one.ceiling for one in rounds if one.ceiling]:
        label = f"the engine alone, {ceilings[0].threads} threads ({ceilings[0].engines} engines)"
        sizes = "/".join(sorted({str(ceiling.batch_images) for ceiling in ceilings}))
        rows.append((label, f"batches of {sizes}", *summaries(ceilings, "images_per_s"), "", ""))
    rows += job_rows("a job", [job for one in rounds for job in one.bulk])
    for workers in (1, 2):
        jobs = [job for one in rounds for job in one.workers if job.workers == workers]
        rows += job_rows(f"{workers} worker{'s' * (workers - 1)} of 1 thread", jobs)
    return table(("", "images", "images/s", "peak memory, MiB", "CPU, s"), rows)


def job_rows(label: str, jobs: list[Job]) -> Iterable[Row]:
    for images, same in grouped(jobs, "images"):
        memory = ", ".join(f"{name} {summary([job.peak_mib[name] for job in same])}" for name in same[0].peak_mib)
        cpu = ", ".join(f"{name} {summary([job.cpu_s[name] for job in same])}" for name in same[0].cpu_s)
        yield (label, str(images), *summaries(same, "images_per_s"), memory, cpu)


def mixed_table(rounds: list[Round]) -> str:
    mixed = [one.mixed for one in rounds if one.mixed]
    measured = {
        "alone": [(each.singles_alone, each.job_alone) for each in mixed],
        "together": [(each.singles_beside, each.job_beside) for each in mixed],
    }
    rows = [
        (
            when,
            *summaries([load for load, _ in pairs], "requests_per_s", "p50_ms", "p99_ms"),
            *summaries([job for _, job in pairs], "images_per_s"),
        )
        for when, pairs in measured.items()
        if pairs
    ]
    return table(("", "singles, requests/s", "p50, ms", "p99, ms", "job, images/s"), rows)


def overload_table(rounds: list[Round]) -> str:
    overloads = [one.overload for one in rounds if one.overload]
    kinds = {
        "full load": [each.full for each in overloads],
        "tenfold, without patience": [each.impatient for each in overloads],
        "tenfold, heeding Retry-After": [each.patient for each in overloads],
    }
    rows = [overload_row(label, loads, kinds["full load"]) for label, loads in kinds.items() if loads]
    head = ("", "connections", "accepted/s", "p50, ms", "p99, ms", "p99 over full load's", "refused", "their p99, ms")
    return table((*head, "failed", "normal again, s", "memory before / peak / after, MiB"), rows)


def overload_row(label: str, loads: list[Flooded], full: list[Flooded]) -> Row:
    return (
        label,
        str(loads[0].connections),
        *summaries(loads, "accepted_per_s", "p50_ms", "p99_ms"),
        summary([load.p99_ms / alone.p99_ms for load, alone in zip(loads, full, strict=True)]),
        by_kind([load.refused for load in loads]),
        *summaries(loads, "refused_p99_ms"),
        by_kind([load.failed for load in loads]),
        *summaries(loads, "normal_s"),
        ", ".join(memory(name, loads) for name in loads[0].peak_mib),
    )


def by_kind(counts: list[dict[str, int]]) -> str:
    """Return the sums over all rounds, as "429: 12,345"."""
    total: Counter[str] = sum(map(Counter, counts), Counter())
    return ", ".join(f"{kind}: {count:,}" for kind, count in sorted(total.items())) or "0"


def memory(name: str, loads: list[Flooded]) -> str:
    """Return before, peak and after of one process, each the median of the rounds."""
    phases = ("before_mib", "peak_mib", "after_mib")
    return f"{name} {' / '.join(f'{median(getattr(load, phase)[name] for load in loads):.0f}' for phase in phases)}"


def published_table(rounds: list[Round]) -> str:
    """List the versions. Their answers are the same in each round, their rates are not."""
    rows: dict[tuple[str, str], list[Published]] = {}
    for each in (each for one in rounds for each in one.published):
        rows.setdefault((each.model, each.engine), []).append(each)
    return table(
        ("model", "engine", "multiply-adds", "read right", "of", "accuracy", "images/s"),
        [
            (
                *key,
                f"{runs[0].multiply_adds:,}",
                "/".join(sorted({f"{each.correct:,}" for each in runs})),
                f"{runs[0].images:,}",
                "/".join(sorted({f"{each.accuracy:.2%}" for each in runs})),
                *summaries(runs, "images_per_s"),
            )
            for key, runs in rows.items()
        ],
    )


def switch_table(rounds: list[Round]) -> str:
    head = ("changes", "requests", "failed", "of another version", "p50 before / during, ms", "p99 before / during, ms")
    rows = [
        (
            str(each.changes),
            f"{each.requests:,}",
            str(each.failed),
            str(each.misnamed),
            f"{number(each.before_p50_ms)} / {number(each.during_p50_ms)}",
            f"{number(each.before_p99_ms)} / {number(each.during_p99_ms)}",
            number(each.longest_ms),
            f"{each.canary_answers:,} of {each.canary_requests:,}: {each.canary_answers / each.canary_requests:.2%}"
            f" for {each.canary_percent:g} %",
        )
        for one in rounds
        if (each := one.switch)
    ]
    return table((*head, "longest, ms", "answers of the canary"), rows)


def errors(rounds: list[Round]) -> str:
    by_peer = {peer.name: peer.error for one in rounds for peer in one.peers if peer.error}
    return "\n\n".join(f"{name}:\n```\n{error}\n```" for name, error in by_peer.items())


def batches(sizes: list[int]) -> str:
    """Return the median and the largest size of the batches that requests were in."""
    return f"{percentile(sizes, 0.5):g}, at most {max(sizes)}" if sizes else ""


def cores(singles: list[Single]) -> str:
    names = singles[0].cpu_cores
    return ", ".join(f"{name} {median([single.cpu_cores[name] for single in singles]):.2f}" for name in names)


def summaries(measured: Sequence[Any], *names: str) -> list[str]:
    """Return the summary of each attribute."""
    return [summary([getattr(each, name) for each in measured]) for name in names]


def grouped(measured: Sequence[T], name: str) -> list[tuple[Any, list[T]]]:
    """Return (value, items) for each value of the attribute, in order."""
    key = attrgetter(name)
    return [(value, list(items)) for value, items in groupby(sorted(measured, key=key), key=key)]
