"""A training from its parameters to a published version: train, export, evaluate, qa, publish.

After an interruption it continues after the last epoch, and publishes nothing twice.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from shared.config.settings import Settings, trainer_threads
from shared.contract.alias import CHAMPION
from shared.contract.model_ref import ModelRef
from shared.contract.training import Training, TrainingState
from shared.models.registry import load_version, versions
from shared.redis.clients import SyncClient
from worker.tasks.retraining import stages
from worker.tasks.retraining.child import Stream, run_process
from worker.tasks.retraining.lease import Lease
from worker.tasks.retraining.promote import CANDIDATE, champion_of, promote, set_alias
from worker.tasks.retraining.register import Fields
from worker.tasks.retraining.stages import Stage, Workplace

LOG_LINES = 40  # kept of a stage that fails
MAX_LINE_CHARS = 300
MAX_VERSION_TRIES = 3  # somebody else may publish the same number first

Report = Callable[[Mapping[str, Any]], None]


class StageFailed(Exception):
    """A stage failed. `log` has its last lines."""

    def __init__(self, stage: Stage, status: int, log: list[str]) -> None:
        super().__init__(f"{stage}: {log[-1]}" if log else f"{stage} ended with status {status}")
        self.log = log


@dataclass(frozen=True, slots=True)
class Outcome:
    """`state` is `published` or `refused`; `fields` goes into the training's hash."""

    state: TrainingState
    fields: Fields = field(default_factory=dict)


def stage_environ(settings: Settings) -> dict[str, str]:
    """Return the variables that a stage's process gets in addition to the trainer's own."""
    threads = str(trainer_threads(settings))
    return {
        "TF_NUM_INTRAOP_THREADS": threads,
        "TF_NUM_INTEROP_THREADS": "1",
        "OMP_NUM_THREADS": threads,
        "CUDA_VISIBLE_DEVICES": "-1",  # GPUs are for serving
    }


class Pipeline:
    """One attempt at one training. `report` is called with each stage and its progress."""

    def __init__(
        self, training: Training, attempt: int, lease: Lease, client: SyncClient, settings: Settings, report: Report
    ) -> None:
        self._training = training
        self._attempt = attempt
        self._lease = lease
        self._client = client
        self._settings = settings
        self._report = report
        assert isinstance(settings.models_dir, Path), "else the trainer would not have started"
        self._models_dir = settings.models_dir.absolute()
        self._place = Workplace((settings.trainer_dir / training.id).absolute())
        self._environ = stage_environ(settings)

    def run(self) -> Outcome:
        """Run all stages. Blocks for minutes or hours. Raises StageFailed, Stopped, FolderBusy."""
        self._place.folder.mkdir(parents=True, exist_ok=True)
        version = self._training.publishing
        if version is None or not self._is_published(version):
            if not self._place.record.is_file():
                self._train()
            for tries_left in reversed(range(MAX_VERSION_TRIES)):
                version = max(versions(self._models_dir, self._training.model), default=0) + 1
                refused = self._judge(version)
                if refused:
                    return refused
                if self._publish(version, last_try=not tries_left):
                    break
        assert version is not None
        return self._announce(version)

    def _train(self) -> None:
        """Train, from the checkpoint if possible. A damaged checkpoint only costs its epochs."""
        parameters = self._training.parameters
        try:
            self._command("train", stages.train_command(self._place, parameters, resume=True))
        except StageFailed:
            if self._attempt == 1:
                raise
            self._command("train", stages.train_command(self._place, parameters, resume=False))

    def _judge(self, version: int) -> Outcome | None:
        """Run the gate. Return None if the version has passed."""
        model = self._training.model
        ref = str(ModelRef(model, version))
        self._command("export", stages.export_command(self._place, model, version))
        self._command("evaluate", stages.evaluate_command(self._place, ref))
        number = champion_of(self._client, model, versions(self._models_dir, model))
        champion = "none" if number is None else str(ModelRef(model, number))
        command = stages.qa_command(
            self._place.staging_dir, ref, champion, self._models_dir, self._training.parameters.floor
        )
        status, report, log = self._run("qa", command)
        verdict = stages.verdict_of(report, champion)
        if verdict is None or verdict.passed != (status == 0):
            raise StageFailed("qa", status, log)
        self._lease.record({"verdict": msgspec.json.encode(verdict)})
        return None if verdict.passed else Outcome("refused", {"reason": stages.refusal_of(verdict)})

    def _publish(self, version: int, last_try: bool) -> bool:
        """Return False if somebody else has published that version meanwhile."""
        model = self._training.model
        before = champion_of(self._client, model, versions(self._models_dir, model))
        if before is not None:  # else the name alone would mean the new version at once
            set_alias(self._client, model, CHAMPION, before, self._name, only_new=True)
        self._lease.record({"publishing": version})
        try:
            self._command(
                "publish", stages.publish_command(self._place, str(ModelRef(model, version)), self._models_dir)
            )
        except StageFailed:
            if last_try or version not in versions(self._models_dir, model):
                raise
            return False
        return True

    def _announce(self, version: int) -> Outcome:
        model = self._training.model
        set_alias(self._client, model, CANDIDATE, version, self._name)
        fields: Fields = {"version": str(ModelRef(model, version)), "promotion": "left to a person"}
        if self._training.parameters.promote == "if_passed":
            with self._lease.renewed():  # another trainer would promote it again
                fault = promote(self._settings, model, version)
            fields["promotion"] = "promoted" if fault is None else f"left to a person: {fault}"
        return Outcome("published", fields)

    def _is_published(self, version: int) -> bool:
        """Return whether the published version of that number is ours."""
        ref = str(ModelRef(self._training.model, version))
        if version not in versions(self._models_dir, self._training.model):
            return False
        if version not in versions(self._place.staging_dir, self._training.model):
            return False
        files = load_version(self._place.staging_dir, ref).card["files"]
        return bool(files == load_version(self._models_dir, ref).card["files"])

    @property
    def _name(self) -> str:
        return f"training {self._training.id}"

    def _command(self, stage: Stage, command: list[str]) -> None:
        status, _, log = self._run(stage, command)
        if status != 0:
            raise StageFailed(stage, status, log)

    def _run(self, stage: Stage, command: list[str]) -> tuple[int, str, list[str]]:
        """Return the exit status, the output without progress, and the last lines of both streams."""
        log: deque[str] = deque(maxlen=LOG_LINES)
        written: list[str] = []
        self._lease.record({"stage": stage})
        self._report({"stage": stage})

        def on_line(stream: Stream, line: str) -> None:
            progress = stages.progress_of(line) if stage == "train" else None
            if progress is not None:
                self._lease.try_to_record({"progress": msgspec.json.encode(progress)})
                self._report({"stage": stage, **msgspec.structs.asdict(progress)})
                return
            if stream == "out":
                written.append(line)
            if line.strip():
                log.append(line[:MAX_LINE_CHARS])

        folder, niceness = self._place.folder, self._settings.trainer_nice
        status = run_process(command, folder, self._environ, niceness, on_line, self._lease.renew)
        return status, "\n".join(written), list(log)
