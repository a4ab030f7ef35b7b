"""The quality gate: classify all inputs with a version and its champion, run the checks, and return the report."""

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np

from shared.contract.model_spec import MNIST_LABELS
from shared.data.dataset import Labels, Split
from shared.errors import ModelError
from shared.images import Images
from shared.models.registry import ModelVersion
from shared.shapes import MNIST_SHAPE
from training.qa import evaluation, golden
from training.qa.bounds import Bounds
from training.qa.checks import acceptance, accuracy, comparison, memory, soundness, speed
from training.qa.evaluation import Evaluation, InputAnswers, Inputs
from training.qa.report.report import Check, Report
from worker.engine import Engine, load_engine
from worker.engine.choose import EngineKind

Progress = Callable[[str], None]


def judge(
    version: ModelVersion,
    champion: ModelVersion | None,
    test: Split,
    limits: Bounds,
    kind: EngineKind = "litert",
    progress: Progress = lambda line: None,
) -> Report:
    """Judge `version` on `test` and compare it with `champion`. Writes nothing. Blocks for half a minute or more.

    Calls `progress` before each step. The report names all faults of `version`. Raises ModelError for a champion that
    cannot be loaded.
    """
    start_s = time.monotonic()
    checks, engine = _load_candidate(version, kind, progress)
    candidate_result = champion_result = None
    if engine is not None:
        champion_engine = _load_champion(champion, kind, progress) if champion else None
        progress("distorting the test images")
        inputs = evaluation.make_inputs(test, golden_images(version, champion))
        progress(f"classifying {len(test.images)} test images, and some of them distorted, with {version.ref}")
        answers = evaluation.predict_all(engine, inputs)
        checks.append(soundness.check_probabilities(answers, soundness.tolerance_of(version)))
        if checks[-1].passed:
            candidate_result = _summarize(version, answers, test)
            if champion and champion_engine:
                progress(f"classifying the same images with {champion.ref}")
                champion_result = _summarize(champion, evaluation.predict_all(champion_engine, inputs), test)
            checks += _check_answers(version, inputs, candidate_result, champion_result, limits)
        checks += _check_engine(version, engine, champion_engine, test, limits, progress)
    return _report(version, champion, kind, test, start_s, checks, candidate_result, champion_result)


def _report(
    version: ModelVersion,
    champion: ModelVersion | None,
    kind: EngineKind,
    test: Split,
    start_s: float,
    checks: list[Check],
    candidate_result: Evaluation | None,
    champion_result: Evaluation | None,
) -> Report:
    gained: list[int] = []
    lost: list[int] = []
    if candidate_result and champion_result:
        gained, lost = comparison.differences(test.labels, candidate_result, champion_result)
    return Report(
        version.ref,
        champion.ref if champion else None,
        kind,
        test.name,
        datetime.now(UTC).isoformat(timespec="seconds"),
        round(time.monotonic() - start_s, 1),
        version.card.get("files", {}),
        checks,
        candidate_result.reading if candidate_result else None,
        champion_result.reading if champion_result else None,
        gained,
        lost,
        list(test.label_names),
    )


def golden_images(version: ModelVersion, champion: ModelVersion | None) -> tuple[Images, Labels] | None:
    """Return the golden images of the champion, or of the version. None stands for drawn digits."""
    for each in (champion, version):
        if each is not None and (found := golden.read_file(each.directory)):
            return found
    if version.spec.shape == MNIST_SHAPE and version.spec.labels == MNIST_LABELS:
        return None
    return np.empty((0, *version.spec.array_shape), np.uint8), np.empty(0, np.uint16)


def _summarize(version: ModelVersion, answers: InputAnswers, test: Split) -> Evaluation:
    return Evaluation(version.ref, answers, evaluation.summarize(answers.test.probabilities, test.labels))


def _load_candidate(version: ModelVersion, kind: EngineKind, progress: Progress) -> tuple[list[Check], Engine | None]:
    """Check the files and load the version. A version with damaged files is not loaded."""
    files = soundness.check_files(version)
    if not files.passed:
        return [files], None
    progress(f"loading {version.ref}")
    try:
        engine = _load(version, kind)
    except Exception as error:  # each runtime has its own exceptions
        return [files, Check("loads", False, f"{kind} cannot load it: {error}")], None
    return [files, Check("loads", True, f"{kind} loads it and returns the answers of a batch in order")], engine


def _load_champion(champion: ModelVersion, kind: EngineKind, progress: Progress) -> Engine:
    files = soundness.check_files(champion)
    if not files.passed:
        raise ModelError(f"the champion {champion.ref} is damaged: {files.sentence}")
    progress(f"loading the champion {champion.ref}")
    try:
        return _load(champion, kind)
    except Exception as error:
        raise ModelError(f"the champion {champion.ref} cannot be loaded: {error}") from error


def _load(version: ModelVersion, kind: EngineKind) -> Engine:
    return load_engine(kind, version.directory, threads=os.cpu_count() or 1)


def _check_answers(
    version: ModelVersion, inputs: Inputs, candidate: Evaluation, champion: Evaluation | None, limits: Bounds
) -> list[Check]:
    checks = accuracy.check_all(inputs, candidate, champion, limits)
    if champion:
        checks += comparison.check_all(inputs.test, candidate, champion)
    if version.spec.acceptance is not None:
        checks += acceptance.check_all(inputs, candidate, version.spec.acceptance.threshold)
    return checks


def _check_engine(
    version: ModelVersion, engine: Engine, champion: Engine | None, test: Split, limits: Bounds, progress: Progress
) -> list[Check]:
    progress("measuring throughput")
    speeds = [speed.check_throughput(engine, champion, test.images, limits)]
    if version.spec.stages:
        speeds.append(speed.check_worst_case(engine, test.images[:1]))
    progress("measuring memory")
    used = memory.check_memory(version, engine.kind, os.cpu_count() or 1, limits)
    # Compare last, because it starts TensorFlow, whose threads would distort the measurements.
    progress("comparing with Keras and the other engine")
    return [*soundness.check_consistency(engine, version, test.images), *speeds, used]
