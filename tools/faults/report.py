"""The table of the drills, as Markdown and as JSON. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from statistics import median
from typing import Any

from tools.faults.drills.run import Outcome

HEAD = (
    "drill",
    "repetitions",
    "images accepted",
    "singles refused",
    "lost",
    "duplicates",
    "wrong",
    "recovery, s",
    "counted from",
    "held images, s",
    "longest silence, s",
    "restarts",
    "memory, MiB",
)


def report(outcomes: Sequence[Outcome], seed: int, settings: Mapping[str, str]) -> str:
    """Times are the median and the worst: until singles and jobs sent since were answered rightly; until everything
    that was accepted before was final; and the longest that no single was answered."""
    limits = ", ".join(f"{name}={settings[name]}" for name in ("LEASE_MS", "WORKER_TTL_S", "ENGINE_STALL_S"))
    lines = [
        f"Faults with {limits}, two workers, seed {seed}. Times: median / worst.",
        "",
        *(f"| {' | '.join(cells)} |" for cells in (HEAD, ["---"] * len(HEAD), *map(row, outcomes))),
    ]
    for outcome in outcomes:
        lines += ["", *(f"{outcome.drill}: {note}" for note in outcome.tally.notes)] if outcome.tally.notes else []
    return "\n".join(lines) + "\n"


def row(outcome: Outcome) -> Sequence[str]:
    tally = outcome.tally
    return (
        outcome.drill,
        str(outcome.repetitions),
        f"{outcome.images:,}" + (f", {outcome.also_images:,} for {outcome.also}" if outcome.also else ""),
        f"{outcome.refused_singles:,}",
        str(tally.lost),
        str(tally.duplicated),
        str(tally.wrong),
        spread([times.again_s for times in outcome.times], outcome.repetitions),
        outcome.since,
        spread([times.held_s for times in outcome.times], outcome.repetitions),
        spread([times.silence_s for times in outcome.times], outcome.repetitions),
        ", ".join(f"{count} × {exit}" for exit, count in outcome.exits.items()),
        ", ".join(f"{kind} {mib}" for kind, mib in outcome.peak_mib.items()),
    )


def spread(seconds: Sequence[float], repetitions: int) -> str:
    """Return median and worst. The worst is "never" if a repetition has no value."""
    if not seconds:
        return "never"
    worst = f"{max(seconds):.2f}" if len(seconds) == repetitions else "never"
    return f"{median(seconds):.2f} / {worst}"


def to_json_content(outcomes: Sequence[Outcome], seed: int, settings: Mapping[str, str]) -> dict[str, Any]:
    return {"seed": seed, "settings": dict(settings), "drills": [asdict(outcome) for outcome in outcomes]}
