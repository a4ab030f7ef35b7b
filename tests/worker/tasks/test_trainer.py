"""Trainings from end to end: real Redis, API and trainer, and real processes that train."""

import json
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from shared.errors import ModelError
from shared.redis import keys
from tests.support.processes import ROOT
from tests.support.registries import copy_version
from tests.support.system import RedisServer, System, running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.usefixtures("mnist")]

Json = dict[str, Any]
SMALL = {"epochs": 1, "batch_size": 32, "limit_images": 200, "network": "cnn-small"}
LONG = {**SMALL, "epochs": 500, "limit_images": 2000}
FINAL = ("published", "refused", "failed", "cancelled")


@pytest.fixture
def lab(redis_server: RedisServer, tmp_path: Path) -> Iterator[System]:
    """An API without a worker, and a registry with one version."""
    shutil.copytree(ROOT / "models" / "cnn" / "1", tmp_path / "models" / "cnn" / "1")
    environ = {"MODELS_DIR": str(tmp_path / "models"), "TRAINER_DIR": str(tmp_path / "trainings")}
    with running(redis_server.new_url(), 0, environ, api_in_thread=True) as system:
        system.environ["TRAINER_API_URL"] = system.url
        yield system


def ask(system: System, parameters: Json) -> str:
    """Return the path of a training."""
    reply = system.http.post("/models/cnn/train", json=parameters)
    assert reply.status_code == 202, reply.text
    path: str = reply.headers["location"]
    return path


def watched(system: System, path: str, until: Callable[[Json], bool]) -> Json:
    pause = threading.Event()
    while not until(training := system.http.get(path).json()):
        pause.wait(0.1)  # the test's own time-out says when this has failed
    return dict(training)


def ended(system: System, path: str) -> Json:
    return watched(system, path, lambda training: training["state"] in FINAL)


def in_epoch(number: int) -> Callable[[Json], bool]:
    return lambda training: (training["progress"] or {"epoch": 0})["epoch"] >= number


def processes_at(folder: Path) -> list[str]:
    """Return the command lines of the processes that work in the training's folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue  # it has just ended
        if str(folder) in command:
            found.append(command)
    return found


def folder_of(system: System, path: str) -> Path:
    return Path(system.environ["TRAINER_DIR"], path.rpartition("/")[2])


def gone(folder: Path) -> None:
    pause = threading.Event()
    while processes_at(folder) or folder.exists():
        pause.wait(0.1)


@pytest.mark.long
def test_a_training_of_a_few_images_shows_its_progress_and_is_refused_by_the_gate(lab: System) -> None:
    path = ask(lab, SMALL)
    waiting = lab.http.get(path).json()
    assert (waiting["state"], waiting["trainers"]) == ("queued", [])
    trainer = lab.start_trainer()
    watched(lab, path, lambda training: training["state"] == "running")
    assert [name.partition("@")[0] for name in lab.http.get("/status").json()["trainers"]] == ["trainer"]
    training = ended(lab, path)
    assert training["state"] == "refused", (training, trainer.output)
    progress = training["progress"]
    assert (progress["epoch"], progress["epochs"], progress["steps"]) == (1, 1, 5)
    assert 0 < progress["loss"] < 10
    assert 0 <= progress["val_accuracy"] <= 1
    assert training["verdict"]["passed"] is False
    assert training["verdict"]["champion"] == "cnn@1"
    assert "accuracy" in training["reason"]
    assert training["version"] is None
    assert [path.name for path in Path(lab.environ["MODELS_DIR"], "cnn").iterdir()] == ["1"]
    assert lab.redis.hlen(keys.ALIASES) == 0
    gone(folder_of(lab, path))
    listed = lab.http.get("/models/cnn/train").json()["trainings"]
    assert [each["links"]["self"] for each in listed] == [path]


@pytest.mark.long
def test_a_running_training_is_cancelled_with_its_process(lab: System) -> None:
    trainer = lab.start_trainer()
    path = ask(lab, LONG)
    watched(lab, path, in_epoch(1))
    folder = folder_of(lab, path)
    assert processes_at(folder)
    assert lab.http.delete(path).json()["state"] == "cancelled"
    gone(folder)
    assert lab.http.get(path).json()["state"] == "cancelled"
    assert trainer.stop() == 0


@pytest.mark.long
def test_processes_die_with_a_killed_trainer_and_the_next_continues_after_the_last_epoch(
    lab: System,
) -> None:
    killed = lab.start_trainer()
    path = ask(lab, {**SMALL, "epochs": 15, "limit_images": 1000})
    folder = folder_of(lab, path)
    before = watched(lab, path, in_epoch(3))
    killed.signal(signal.SIGKILL)
    killed.wait()
    pause = threading.Event()
    while processes_at(folder):
        pause.wait(0.1)
    assert lab.http.get(path).json()["state"] == "running", "nobody knows yet"

    trainer = lab.start_trainer()
    after = watched(lab, path, lambda training: training["attempt"] == 2 and training["stage"] != "train")
    assert after["progress"]["epoch"] == 15
    assert lab.http.delete(path).status_code == 200
    epochs = [row.split(",")[0] for row in (folder / "weights.keras.csv").read_text().splitlines()[1:]]
    assert epochs == [str(epoch) for epoch in range(15)], (before, trainer.output)
    gone(folder)


@pytest.mark.long
def test_a_stopping_trainer_releases_its_training(lab: System) -> None:
    first = lab.start_trainer()
    path = ask(lab, LONG)
    watched(lab, path, in_epoch(2))
    assert first.stop() == 0
    assert processes_at(folder_of(lab, path)) == []
    assert lab.http.get(path).json()["state"] == "queued"
    lab.start_trainer()
    again = watched(lab, path, lambda training: training["attempt"] == 2 and in_epoch(2)(training))
    assert again["state"] == "running"
    lab.http.delete(path)
    gone(folder_of(lab, path))


@pytest.mark.long
def test_a_version_that_passes_is_published_as_the_candidate_and_promoted_by_its_rule(lab: System) -> None:
    """The weights exist already, as after a trainer that died with the last epoch."""
    lab.start_worker("worker-1")
    path = ask(lab, {**SMALL, "network": "cnn", "promote": "if_passed"})
    folder = folder_of(lab, path)
    folder.mkdir(parents=True)
    shutil.copyfile(ROOT / "models/cnn/1/model.keras", folder / "weights.keras")
    (folder / "weights.keras.json").write_text('{"network": "cnn"}')
    trainer = lab.start_trainer()
    training = ended(lab, path)
    assert training["state"] == "published", (training, trainer.output)
    assert training["version"] == "cnn@2"
    assert training["verdict"]["passed"] is True
    assert sorted(os.listdir(Path(lab.environ["MODELS_DIR"], "cnn"))) == ["1", "2"]
    # The API promotes once the worker has loaded it, and else says who has not.
    promoted = training["promotion"] == "promoted"
    assert promoted or training["promotion"].startswith("left to a person: the API answered 503: worker-1@")
    # Until then the name means what it meant, not the version that has just appeared.
    changes = lab.http.get("/models/cnn/changes").json()["changes"]
    steps = [(change["alias"], change["to"]["version"]) for change in reversed(changes)]
    assert steps == [("champion", 1), ("candidate", 2), *([("champion", 2)] if promoted else [])]
    assert lab.http.get("/mnist/classify/7").json()["model"] == ("cnn@2" if promoted else "cnn@1")
    gone(folder)


def test_the_gate_judges_a_version_as_a_celery_task(lab: System) -> None:
    """One version is damaged, which is found before it is loaded, and one does not exist."""
    copy = copy_version(Path(lab.environ["MODELS_DIR"]), 2, passed=None)
    (copy / "model.tflite").write_bytes(b"garbage")
    lab.start_trainer()
    with Celery(broker=lab.redis_url, backend=lab.redis_url, set_as_current=False) as celery:
        verdict = celery.send_task("mnistified.qa", ["cnn@2"], queue="mnistified-training").get(timeout=300)
        assert (verdict["model"], verdict["passed"], verdict["champion"]) == ("cnn@2", False, "cnn@1")
        assert [(check["name"], check["passed"]) for check in verdict["checks"]] == [("files", False)]
        assert "model.tflite" in verdict["checks"][0]["sentence"]
        assert json.loads((copy / "report.json").read_bytes())["passed"] is False
        missing = celery.send_task("mnistified.qa", ["cnn@9"], queue="mnistified-training")
        with pytest.raises(ModelError, match="no version '9' of model 'cnn'"):
            missing.get(timeout=60)
