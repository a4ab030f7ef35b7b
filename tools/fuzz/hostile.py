"""Every hostile body over HTTP against a running system, with an honest request after each group."""

import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import httpx

from shared.data.dataset import Split
from tests.support.system import System
from tests.support.uploads import image_file
from tools.fuzz.case import BULK, SINGLE, Case
from tools.fuzz.corpus_archives import archive_cases
from tools.fuzz.corpus_bodies import body_cases
from tools.fuzz.corpus_images import image_cases
from tools.fuzz.costs import Cost, CostTable, Watch, watching

MAX_GROWTH_BYTES = 256 << 20  # memory (RSS) that the allocators of the API's threads keep after all groups
COST_TRIES = 3  # a busy machine makes any answer late now and then
ITEMS = "/results/{id}/items"
T = TypeVar("T")
NEIGHBOURS = 3  # honest images after each group


@dataclass(slots=True)
class Report:
    """Counts and seconds by group. `wrong` has a line for each body with another answer than expected."""

    tried: Counter[str] = field(default_factory=Counter)
    took_s: dict[str, float] = field(default_factory=dict)
    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    worker_restarts: int = 0
    growth_bytes: int = 0
    costs: CostTable = field(default_factory=CostTable)

    def lines(self) -> Iterator[str]:
        for group, count in sorted(self.tried.items()):
            yield f"{count:5}  {group}, {self.took_s[group]:.0f} s"
        yield f"{self.tried.total():5}  bad inputs tried"
        yield "answers: " + ", ".join(f"{count} × {status}" for status, count in sorted(self.statuses.items()))
        server_errors = sum(count for status, count in self.statuses.items() if status >= 500)
        yield f"5xx {server_errors}, worker restarts {self.worker_restarts}"
        yield f"the API's memory grew by {self.growth_bytes / (1 << 20):.0f} MiB, of {MAX_GROWTH_BYTES >> 20} allowed"
        yield from self.costs.lines()
        yield from self.wrong

    @property
    def passed(self) -> bool:
        return not self.wrong and not self.worker_restarts and self.growth_bytes <= MAX_GROWTH_BYTES


def all_cases() -> Iterator[Case]:
    return itertools.chain(image_cases(), archive_cases(), body_cases())


def try_all(system: System, test_set: Split, bodies: Iterable[Case]) -> Report:
    """Send the bodies one after the other. `system` has at least one worker."""
    report = Report()
    with watching(system.api.pid, system.port) as watch:
        _try_groups(system, test_set, bodies, report, watch)
    return report


def _try_groups(system: System, test_set: Split, bodies: Iterable[Case], report: Report, watch: Watch) -> None:
    check_neighbours(system, test_set, report, "before")
    api_pid, workers = system.api.pid, {name: worker.pid for name, worker in system.workers.items()}
    before_bytes = system.api.rss_bytes
    for group, group_cases in itertools.groupby(bodies, lambda case: case.group):
        print(f"{group} …", flush=True)
        started_s = time.monotonic()
        for case in group_cases:
            try_one(system, case, report, watch)
        check_neighbours(system, test_set, report, group)
        report.took_s[group] = report.took_s.get(group, 0) + time.monotonic() - started_s
    report.growth_bytes = max(0, system.api.rss_bytes - before_bytes)
    report.worker_restarts = sum(not alive(system.workers[name].pid, pid) for name, pid in workers.items())
    if not alive(system.api.pid, api_pid):
        report.wrong.append("the API is another process than before")


def try_one(system: System, case: Case, report: Report, watch: Watch) -> None:
    """Send a body and check answer and cost, and those of reading the items if the case wants it."""
    report.tried[case.group] += 1
    job_id = measure(case, case.route, lambda: send(system, case, report), report, watch)
    if case.reads_items and job_id:
        system.finished(job_id)
        measure(case, ITEMS, lambda: system.items(job_id), report, watch)


def measure(case: Case, route: str, request: Callable[[], T], report: Report, watch: Watch) -> T:
    """Send a request and check its cost. A cost above a limit counts if it is so every time, not by chance."""
    costs: list[Cost] = []
    while len(costs) < COST_TRIES and not any(cost.passed for cost in costs):
        watch.begin()
        found = request()
        costs.append(watch.cost())
    cost = Cost(min(cost.memory_bytes for cost in costs), min(cost.stall_ms for cost in costs))
    report.costs.add(route, cost, case.name)
    if not cost.passed:
        cost_text = f"memory rose by {cost.memory_bytes >> 20} MiB, others waited {cost.stall_ms:.0f} ms"
        report.wrong.append(f"{case.group}: {case.name}: {route}: {cost_text}")
        print(report.wrong[-1], flush=True)
    return found


def send(system: System, case: Case, report: Report) -> str:
    """Return the id of the job if the body was accepted as one."""
    headers = [(name.encode(), value.encode()) for name, value in case.headers.items()]
    if case.content_type:
        headers.append((b"Content-Type", case.content_type.encode("latin-1")))
    try:
        reply = system.http.post(case.path, content=case.body, headers=headers)
    except httpx.HTTPError as error:
        report.wrong.append(f"{case.group}: {case.name}: {error!r}")
        return ""
    report.statuses[reply.status_code] += 1
    job_id: str = reply.json()["id"] if reply.status_code == 202 else ""
    if 400 <= reply.status_code < 500 or (case.harmless and reply.status_code in (200, 202)):
        return job_id
    if job_id and system.finished(job_id)["counts"]["failed"]:
        system.items(job_id)
        return job_id
    report.wrong.append(f"{case.group}: {case.name}: {reply.status_code} {reply.text[:200]}")
    return job_id


def check_neighbours(system: System, test_set: Split, report: Report, group: str) -> None:
    """Check that the model is right about three images, alone and together."""
    images, labels = test_set.images[:NEIGHBOURS], test_set.labels[:NEIGHBOURS].tolist()
    singles = [system.http.post(SINGLE, content=image_file(image)).json() for image in images]
    if [single.get("prediction") for single in singles] != labels:
        report.wrong.append(f"after {group}: honest images were answered {singles}")
    head = b"\0\0\x08\x03" + b"".join(length.to_bytes(4, "big") for length in images.shape)
    job = system.http.post(BULK, content=head + images.tobytes()).json()
    system.finished(job["id"])
    if [item["prediction"] for item in system.items(job["id"])] != labels:
        report.wrong.append(f"after {group}: an honest job was answered otherwise")


def alive(pid: int, before: int) -> bool:
    """Return whether the process still runs and is not a zombie."""
    stat = Path(f"/proc/{pid}/stat")
    return pid == before and stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"
