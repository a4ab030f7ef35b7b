"""The stages, their order and their outcomes, with a fake program instead of the one that trains."""

import json
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from redis.exceptions import ConnectionError as RedisConnectionError

from shared.config.settings import Settings
from shared.contract.alias import ALIAS_CODEC
from shared.contract.training import Parameters, Training
from shared.models.registry import versions
from shared.redis import keys
from shared.redis.clients import SyncClient
from worker.tasks.retraining import stages
from worker.tasks.retraining.child import Stopped
from worker.tasks.retraining.lease import Lease
from worker.tasks.retraining.pipeline import Outcome, Pipeline, StageFailed
from worker.tasks.retraining.register import Register

TRAINING = Training(id="t1", model="cnn", state="running", parameters=Parameters(epochs=1), created_ms=1, key="ops")


class Lab:
    """A registry with cnn@1, and the running training t1."""

    def __init__(self, client: SyncClient, folder: Path) -> None:
        self.client = client
        self.models_dir = folder / "models"
        self.settings = Settings(models_dir=self.models_dir, trainer_dir=folder / "trainings", trainer_nice=0)
        (self.models_dir / "cnn" / "1").mkdir(parents=True)
        (self.models_dir / "cnn" / "1" / "model.json").write_text('{"files": {}}')
        client.hset(keys.training("t1"), mapping={"state": "queued", "model": "cnn"})
        self.register = Register(client, "trainer", 1000, 10)
        self.attempt = self.register.begin("t1")
        self.stopping = threading.Event()
        self.lease = Lease(self.register, "t1", self.attempt, self.stopping, lambda: False)
        self.reports: list[Mapping[str, Any]] = []

    def run(self, training: Training = TRAINING, attempt: int = 1) -> Outcome:
        return Pipeline(training, attempt, self.lease, self.client, self.settings, self.reports.append).run()

    @property
    def aliases(self) -> dict[str, int]:
        table: dict[Any, Any] = self.client.hgetall(keys.ALIASES)
        return {name.decode(): ALIAS_CODEC.decode(data).version for name, data in table.items()}

    def field(self, name: str) -> Any:
        return self.client.hget(keys.training("t1"), name)


@pytest.fixture
def lab(client: SyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setattr(stages, "PROGRAM", (sys.executable, "-IS", str(Path(__file__).with_name("fake_program.py"))))
    return Lab(client, tmp_path)


def go_wrong(monkeypatch: pytest.MonkeyPatch, **how: Any) -> None:
    monkeypatch.setenv("FAKE", json.dumps(how))


def test_a_version_that_passes_is_published_as_the_next_version_and_the_candidate(lab: Lab) -> None:
    outcome = lab.run()
    assert (outcome.state, outcome.fields["version"]) == ("published", "cnn@2")
    assert outcome.fields["promotion"] == "left to a person"
    assert versions(lab.models_dir, "cnn") == [1, 2]
    assert lab.aliases == {"cnn/champion": 1, "cnn/candidate": 2}
    assert [report["stage"] for report in lab.reports if len(report) == 1] == [
        "train",
        "export",
        "evaluate",
        "qa",
        "publish",
    ]
    progress = {"epoch": 1, "epochs": 1, "step": 5, "steps": 5, "loss": 0.5, "accuracy": 0.9}
    assert {"stage": "train", **progress, "val_accuracy": None, "eta_s": 0.0} in lab.reports
    assert json.loads(lab.field("progress"))["loss"] == 0.5
    assert json.loads(lab.field("verdict"))["champion"] == "cnn@1"


def test_a_version_that_the_gate_refuses_is_not_published(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    go_wrong(monkeypatch, passes=False)
    assert lab.run() == Outcome("refused", {"reason": "the gate refused it: accuracy: as set by FAKE"})
    assert versions(lab.models_dir, "cnn") == [1]
    assert lab.aliases == {}


@pytest.mark.parametrize("stage", ["train", "export", "evaluate", "qa", "publish"])
def test_a_failed_stage_is_reported_with_its_last_lines(lab: Lab, stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    go_wrong(monkeypatch, fails=stage)
    with pytest.raises(StageFailed, match=f"^{stage}: ") as failed:
        lab.run()
    assert sorted(failed.value.log) == sorted(["no, thank you", f"{stage} at work"])
    assert lab.field("stage") == stage.encode()
    assert versions(lab.models_dir, "cnn") == [1]


def test_a_damaged_checkpoint_means_training_from_the_start(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    go_wrong(monkeypatch, fails="train", only_resumed=True)
    assert lab.run(attempt=2).state == "published"


def test_a_complete_training_is_not_repeated(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.run()
    go_wrong(monkeypatch, fails="train")
    assert lab.run(attempt=2).fields["version"] == "cnn@3"


def test_a_version_that_was_published_before_an_interruption_is_not_published_twice(lab: Lab) -> None:
    lab.run()
    lab.client.delete(keys.ALIASES)
    outcome = lab.run(replace(TRAINING, publishing=2), attempt=2)
    assert outcome.fields["version"] == "cnn@2"
    assert versions(lab.models_dir, "cnn") == [1, 2]
    assert lab.aliases == {"cnn/candidate": 2}


def test_the_next_number_is_used_if_somebody_else_has_published_this_one(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_wrong(monkeypatch, taken="cnn@2")
    assert lab.run().fields["version"] == "cnn@3"
    assert lab.aliases == {"cnn/champion": 1, "cnn/candidate": 3}


def test_a_cancelled_training_stops(lab: Lab) -> None:
    lab.register.cancel("t1", lab.attempt)
    with pytest.raises(Stopped):
        lab.run()
    assert lab.reports == []
    assert lab.lease.lost


def test_training_continues_during_an_outage_of_redis_and_required_records_wait(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, failures = lab.register.record, iter([True, True, False])

    def away(training_id: str, attempt: int, fields: dict[str, str | int | bytes]) -> bool:
        if next(failures, False):
            raise RedisConnectionError("away")
        return record(training_id, attempt, fields)

    monkeypatch.setattr(lab.register, "record", away)
    assert lab.lease.renew(), "an outage is no reason to stop"
    lab.lease.record({"stage": "qa"})
    assert lab.field("stage") == b"qa"


def test_a_stopping_trainer_does_not_wait_for_redis(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*arguments: object) -> bool:
        raise RedisConnectionError("away")

    monkeypatch.setattr(lab.register, "record", away)
    lab.stopping.set()
    assert not lab.lease.renew()
    with pytest.raises(Stopped):
        lab.lease.record({"stage": "qa"})
