"""A promotion, a rollback and a canary under load: latencies, failures, and which version answers.

Both versions are copies of one, so that their speed does not hide the cost of the switch.
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
from typing import Unpack

import orjson

from benchmarks.load.inputs import Inputs
from benchmarks.plan import Plan
from benchmarks.report.results import Switch
from benchmarks.system.processes import ROOT
from benchmarks.system.service import CLASSIFY, running
from mnistified import Client
from mnistified.http.calls import AliasChange
from mnistified.http.load import percentile
from shared.contract.model_ref import ModelRef
from shared.models import registry

NAME = "cnn"
OLD, NEW = 1, 2
WORKERS = 2
CONNECTIONS = 4  # threads of this process; with more, the process itself would be measured
SETTLE_S = 1.0  # counted as part of a change: requests under way are answered by then
CANARY_PERCENT = 5.0
TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """Times are of `time.perf_counter`. `model` is "" for a failed request."""

    sent_s: float
    answered_s: float
    model: str


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the alias: when it was requested, when it was done, and the version that it means."""

    sent_s: float
    done_s: float
    version: int


def measure_switch(plan: Plan, inputs: Inputs, log_dir: Path) -> Switch:
    """Promote, which makes the workers load a second version, and roll back, twice; then set a canary."""
    with tempfile.TemporaryDirectory(prefix="bench-models-") as folder:
        make_registry(Path(folder))
        with running(log_dir / "switch", WORKERS, {"MODELS_DIR": folder}) as service:
            first = change(service.client, OLD)
            with clients(service.port, inputs.pngs) as answers:
                time.sleep(plan.warm_s)
                quiet_s = time.perf_counter()
                time.sleep(plan.closed_s)
                changes = [change(service.client, version) for version in (NEW, OLD, NEW, OLD)]
            with clients(service.port, inputs.pngs) as mixed:
                canary = change(service.client, OLD, canary=NEW, canary_percent=CANARY_PERCENT)
                time.sleep(plan.closed_s)
    before = [each for each in answers if each.sent_s >= quiet_s and each.answered_s < changes[0].sent_s]
    during = [each for each in answers if each.sent_s >= changes[0].sent_s]
    shared = [each for each in mixed if each.sent_s > canary.done_s]
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
    """Publish two copies of the newest version of the default model."""
    newest = registry.load_version(ROOT / "models", NAME)
    for version in (OLD, NEW):
        copy = folder / NAME / str(version)
        shutil.copytree(newest.directory, copy)
        (copy / registry.CARD).write_bytes(orjson.dumps(newest.card | {"version": version}))


def change(client: Client, version: int, **more: Unpack[AliasChange]) -> Change:
    """Block until the alias is changed, and for SETTLE_S more. Raises MnistifiedError if the API refuses."""
    sent_s = time.perf_counter()
    client.set_alias(NAME, "champion", version, **more)
    done_s = time.perf_counter()
    time.sleep(SETTLE_S)
    return Change(sent_s, done_s, version)


@contextmanager
def clients(port: int, pngs: Sequence[bytes]) -> Iterator[list[Answer]]:
    """Send one image after another on CONNECTIONS connections until the end. The answers are complete after it."""
    answers: list[Answer] = []
    ended = threading.Event()
    threads = [threading.Thread(target=_send, args=(port, pngs, answers, ended)) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def _send(port: int, pngs: Sequence[bytes], answers: list[Answer], ended: threading.Event) -> None:
    # Our own client would take more CPU time per request than this, and time itself.
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    number = 0
    while not ended.is_set():
        sent_s = time.perf_counter()
        model = ""
        try:
            connection.request("POST", CLASSIFY, pngs[number % len(pngs)], {"Content-Type": "image/png"})
            reply = connection.getresponse()
            content = reply.read()
            if reply.status == 200:
                model = orjson.loads(content)["model"]
        except (OSError, http.client.HTTPException):
            connection.close()  # the next request opens it again
        answers.append(Answer(sent_s, time.perf_counter(), model))
        number += 1
    connection.close()


def misnamed(answers: Sequence[Answer], changes: Sequence[Change]) -> int:
    """Count the answers of a version that the alias did not mean at any time during the request."""
    ends_s = [later.sent_s for later in changes[1:]] + [float("inf")]
    return sum(
        each.model not in ("", str(ModelRef(NAME, now.version)))
        for now, end_s in zip(changes, ends_s, strict=True)
        for each in answers
        if each.sent_s > now.done_s and each.answered_s < end_s
    )


def latency_ms(answers: Sequence[Answer], share: float) -> float:
    return percentile([each.answered_s - each.sent_s for each in answers], share) * 1e3
