import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from shared.contract.training import Parameters, Progress
from training.__main__ import make_parser
from worker.tasks.retraining import stages
from worker.tasks.retraining.stages import Workplace

PLACE = Workplace(Path("/srv/t1"))
REPORT: dict[str, Any] = {
    "model": "cnn@2",
    "passed": False,
    "checks": [
        {"name": "accuracy", "passed": False, "sentence": "9000 of 10000 read right", "measured": 0.9, "bound": 0.995},
        {"name": "memory", "passed": True, "sentence": "takes 80 MiB", "unit": "MiB"},
    ],
    "reading": {"confusion": [[1]]},
}


def test_python_m_training_accepts_the_commands() -> None:
    parameters = Parameters(network="seed", epochs=3, batch_size=64, seed=5, augment=False, limit_images=100, floor=0.9)
    commands = [
        stages.train_command(PLACE, parameters, resume=True),
        stages.train_command(PLACE, Parameters(), resume=False),
        stages.export_command(PLACE, "cnn", 2),
        stages.evaluate_command(PLACE, "cnn@2"),
        stages.qa_command(PLACE.staging_dir, "cnn@2", "cnn@1", Path("/models"), 0.9),
        stages.publish_command(PLACE, "cnn@2", Path("/models")),
    ]
    train, default, export, evaluate, qa, publish = (make_parser().parse_args(each[3:]) for each in commands)
    assert (train.network, train.epochs, train.batch_size, train.seed) == ("seed", 3, 64, 5)
    assert (train.augment, train.limit_images, train.resume, train.progress) == (False, 100, True, "json")
    assert (default.augment, default.limit_images, default.resume) == (True, None, False)
    assert train.weights == export.weights == PLACE.weights
    assert export.models_dir == evaluate.models_dir == qa.models_dir == publish.source_dir == PLACE.staging_dir
    assert (qa.champion, qa.champion_dir, qa.floor, qa.json) == ("cnn@1", Path("/models"), 0.9, True)
    assert (publish.models_dir, publish.force) == (Path("/models"), False)


def test_progress_is_distinguished_from_other_lines() -> None:
    progress = Progress(3, 9, 1, 5, 0.5, 0.9, None, 12.5)
    assert stages.progress_of(msgspec.json.encode(progress).decode()) == progress
    for line in ("Wrote build/cnn.keras", "{not json", '{"other": 1}', "[1]", ""):
        assert stages.progress_of(line) is None


def test_a_verdict_is_a_part_of_the_gates_report() -> None:
    verdict = stages.verdict_of(json.dumps(REPORT), "cnn@1")
    assert verdict is not None
    assert (verdict.passed, verdict.champion) == (False, "cnn@1")
    assert [check.name for check in verdict.checks] == ["accuracy", "memory"]
    assert verdict.checks[0].measured == 0.9
    assert stages.refusal_of(verdict) == "the gate refused it: accuracy: 9000 of 10000 read right"


@pytest.mark.parametrize("report", ["", "no json", "[]", '{"passed": true}', '{"passed": true, "checks": [1]}'])
def test_anything_but_a_report_has_no_verdict(report: str) -> None:
    assert stages.verdict_of(report, "none") is None
