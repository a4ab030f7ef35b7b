"""A promotion and a rollback while requests go on, and a canary's share: who waits, who fails, which version answers.

Both versions are copies of one, so that what the switch costs does not hide in how fast they are.
"""

import http.client
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

from benchmarks.load.http_call import call_json
from benchmarks.load.inputs import Inputs
from benchmarks.plan import Plan
from benchmarks.report.results import Switch
from benchmarks.system.processes import ROOT
from benchmarks.system.service import CLASSIFY, running
from mnistified.http.load import percentile
from shared.contract.model_ref import ModelRef
from shared.models import registry

NAME = "cnn"
OLD, NEW = 1, 2
WORKERS = 2
CONNECTIONS = 4  # threads of this process; with more, they would be what is measured
SETTLE_S = 1.0  # after a change, still counted as during it: what was under way is answered by then
CANARY_PERCENT = 5.0
TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """Times of `time.perf_counter`. `model` is "" for no answer, or one that is no 200."""

    asked_s: float
    answered_s: float
    model: str


@dataclass(frozen=True, slots=True)
class Change:
    """When it was asked for, when it was told to be done, and what the model meant from then on."""

    asked_s: float
    told_s: float
    version: int


def measure_switch(plan: Plan, inputs: Inputs, log_dir: Path) -> Switch:
    """Promoted, which has the workers load the new version beside the old, rolled back, both again; then a canary."""
    with tempfile.TemporaryDirectory(prefix="bench-models-") as folder:
        make_registry(Path(folder))
        with running(log_dir / "switch", WORKERS, {"MODELS_DIR": folder}) as service:
            first = change(service.port, OLD)
            with clients(service.port, inputs.pngs) as answers:
                time.sleep(plan.warm_s)
                quiet_s = time.perf_counter()
                time.sleep(plan.closed_s)
                changes = [change(service.port, version) for version in (NEW, OLD, NEW, OLD)]
            with clients(service.port, inputs.pngs) as mixed:
                canary = change(service.port, OLD, canary=NEW, canary_percent=CANARY_PERCENT)
                time.sleep(plan.closed_s)
    before = [each for each in answers if each.asked_s >= quiet_s and each.answered_s < changes[0].asked_s]
    during = [each for each in answers if each.asked_s >= changes[0].asked_s]
    shared = [each for each in mixed if each.asked_s > canary.told_s]
    return Switch(
        changes=len(changes),
        requests=len(answers),
        failed=sum(not each.model for each in [*answers, *mixed]),
        misnamed=misnamed(answers, [first, *changes]),
        before_p50_ms=latency_ms(before, 0.5),
        before_p99_ms=latency_ms(before, 0.99),
        during_p50_ms=latency_ms(during, 0.5),
        during_p99_ms=latency_ms(during, 0.99),
        longest_ms=latency_ms(during, 1.0),
        canary_percent=CANARY_PERCENT,
        canary_requests=len(shared),
        canary_answers=sum(each.model == str(ModelRef(NAME, NEW)) for each in shared),
    )


def make_registry(folder: Path) -> None:
    """The newest version of the default model, as two."""
    newest = registry.load_version(ROOT / "models", NAME)
    for version in (OLD, NEW):
        copy = folder / NAME / str(version)
        shutil.copytree(newest.directory, copy)
        (copy / registry.CARD).write_bytes(orjson.dumps(newest.card | {"version": version}))


def change(port: int, version: int, **more: float) -> Change:
    """Blocks until it is done, and SETTLE_S more. Raises BenchmarkError when it is refused."""
    asked_s = time.perf_counter()
    body = orjson.dumps({"version": version, **more})
    call_json(port, "POST", f"/models/{NAME}/aliases/champion", 200, body, "application/json")
    told_s = time.perf_counter()
    time.sleep(SETTLE_S)
    return Change(asked_s, told_s, version)


@contextmanager
def clients(port: int, pngs: Sequence[bytes]) -> Iterator[list[Answer]]:
    """CONNECTIONS of them ask for one image after another until the end; the answers are complete after it."""
    answers: list[Answer] = []
    enough = threading.Event()
    threads = [threading.Thread(target=_ask, args=(port, pngs, answers, enough)) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        enough.set()
        for thread in threads:
            thread.join()


def _ask(port: int, pngs: Sequence[bytes], answers: list[Answer], enough: threading.Event) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    number = 0
    while not enough.is_set():
        asked_s = time.perf_counter()
        model = ""
        try:
            connection.request("POST", CLASSIFY, pngs[number % len(pngs)], {"Content-Type": "image/png"})
            reply = connection.getresponse()
            content = reply.read()
            if reply.status == 200:
                model = orjson.loads(content)["model"]
        except (OSError, http.client.HTTPException):
            connection.close()  # the next request opens it anew
        answers.append(Answer(asked_s, time.perf_counter(), model))
        number += 1
    connection.close()


def misnamed(answers: Sequence[Answer], changes: Sequence[Change]) -> int:
    """Answers of another version than the one that all of their time was the model's; none that failed."""
    ends_s = [later.asked_s for later in changes[1:]] + [float("inf")]
    return sum(
        each.model not in ("", str(ModelRef(NAME, now.version)))
        for now, end_s in zip(changes, ends_s, strict=True)
        for each in answers
        if each.asked_s > now.told_s and each.answered_s < end_s
    )


def latency_ms(answers: Sequence[Answer], share: float) -> float:
    return percentile([each.answered_s - each.asked_s for each in answers], share) * 1e3
