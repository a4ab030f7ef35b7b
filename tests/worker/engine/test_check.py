"""An engine that answers in the wrong place is refused before it serves anybody."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from shared.images import Images, Probabilities
from worker.engine.check import EngineFault, check_answers
from worker.engine.litert import LiteRTRuntime


@pytest.fixture(scope="module")
def runtime(model_dir: Path) -> LiteRTRuntime:
    return LiteRTRuntime(model_dir / "model.tflite", threads=1)


def test_the_published_model_passes(runtime: LiteRTRuntime) -> None:
    check_answers(runtime.run, [1, 2, 16])


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda answers: answers[::-1], "in a batch of 2, the answer in place 0"),
        (lambda answers: np.roll(answers, 1, axis=0), "wrong order"),
        (lambda answers: answers[:1], r"answered \[1, 1[01]\] to 2 images"),
        (lambda answers: answers * np.nan, "no probabilities"),
        (lambda answers: answers * 2, "no probabilities"),
    ],
    ids=["reversed", "shifted", "too few", "nan", "doubled"],
)
def test_an_engine_whose_answers_cannot_be_trusted_is_refused(
    runtime: LiteRTRuntime, spoil: Callable[[Probabilities], Probabilities], complaint: str
) -> None:
    def run(images: Images) -> Probabilities:
        return spoil(runtime.run(images))

    with pytest.raises(EngineFault, match=complaint):
        check_answers(run, [2, 16])
