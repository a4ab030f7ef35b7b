"""The gate itself: shows a version everything, beside the champion, and reports what it found."""

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime

from shared.data.dataset import Split
from shared.errors import ModelError
from shared.models.registry import ModelVersion
from training.qa import exam
from training.qa.bounds import Bounds
from training.qa.checks import accuracy, comparison, memory, soundness, speed
from training.qa.exam import Exam, Side
from training.qa.report.report import Check, Report
from worker.engine import Engine, EngineKind, load_engine

Progress = Callable[[str], None]


def judge(
    version: ModelVersion,
    champion: ModelVersion | None,
    test: Split,
    limits: Bounds,
    kind: EngineKind = "litert",
    progress: Progress = lambda line: None,
) -> Report:
    """Judge `version` beside `champion` on `test`. Writes nothing; blocks for half a minute or more.

    `progress` is told each step. What is wrong with `version` is in the report; ModelError is raised for a champion
    that will not load.
    """
    start_s = time.monotonic()
    checks, engine = _start(version, kind, progress)
    side = rival = None
    if engine is not None:
        rival_engine = _load_champion(champion, kind, progress) if champion else None
        progress("distorting the test images")
        paper = exam.make_exam(test)
        progress(f"{version.ref} reads {len(test.images)} test images, and some of them distorted")
        answers = exam.take(engine, paper)
        checks.append(soundness.check_probabilities(answers))
        if checks[-1].passed:
            side = Side(version.ref, answers, exam.summarize(answers.test, test.labels))
            if champion and rival_engine:
                progress(f"{champion.ref} reads the same")
                answers = exam.take(rival_engine, paper)
                rival = Side(champion.ref, answers, exam.summarize(answers.test, test.labels))
            checks += _check_answers(paper, side, rival, limits)
        checks += _check_engine(version, engine, rival_engine, test, limits, progress)
    gained, lost = comparison.differences(test.labels, side, rival) if side and rival else ([], [])
    return Report(
        version.ref,
        champion.ref if champion else None,
        kind,
        test.name,
        datetime.now(UTC).isoformat(timespec="seconds"),
        round(time.monotonic() - start_s, 1),
        version.card.get("files", {}),
        checks,
        side.reading if side else None,
        rival.reading if rival else None,
        gained,
        lost,
    )


def _start(version: ModelVersion, kind: EngineKind, progress: Progress) -> tuple[list[Check], Engine | None]:
    """A version whose files are damaged is not even loaded."""
    files = soundness.check_files(version)
    if not files.passed:
        return [files], None
    progress(f"loading {version.ref}")
    try:
        engine = _load(version, kind)
    except Exception as error:  # each runtime raises its own
        return [files, Check("loads", False, f"{kind} will not load it: {error}")], None
    told = f"{kind} loads it, and answers each image of a batch in its place"
    return [files, Check("loads", True, told)], engine


def _load_champion(champion: ModelVersion, kind: EngineKind, progress: Progress) -> Engine:
    files = soundness.check_files(champion)
    if not files.passed:
        raise ModelError(f"the champion {champion.ref} is not fit to compare with: {files.sentence}")
    progress(f"loading {champion.ref}, to compare with")
    try:
        return _load(champion, kind)
    except Exception as error:
        raise ModelError(f"the champion {champion.ref} will not load: {error}") from error


def _load(version: ModelVersion, kind: EngineKind) -> Engine:
    return load_engine(kind, version.directory, threads=os.cpu_count() or 1)


def _check_answers(paper: Exam, side: Side, rival: Side | None, limits: Bounds) -> list[Check]:
    checks = accuracy.check_all(paper, side, rival, limits)
    return checks + comparison.check_all(paper.test.labels, side, rival) if rival else checks


def _check_engine(
    version: ModelVersion, engine: Engine, rival: Engine | None, test: Split, limits: Bounds, progress: Progress
) -> list[Check]:
    progress("measuring throughput")
    throughput = speed.check_throughput(engine, rival, test.images, limits)
    progress("measuring memory")
    used = memory.check_memory(version, engine.kind, os.cpu_count() or 1, limits)
    # Last, since it starts TensorFlow, whose threads would be in the way of what is measured.
    progress("asking Keras and the other engine")
    return [*soundness.check_ways_of_asking(engine, version, test.images), throughput, used]
