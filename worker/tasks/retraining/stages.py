"""The stages of a training and their commands: `python -m training …`, as a person would type them."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from shared.contract.training import Parameters, Progress, Verdict

Stage = Literal["train", "export", "evaluate", "qa", "publish"]

PROGRAM = (sys.executable, "-m", "training")
MAX_CHECKS = 100
MAX_SENTENCE_CHARS = 300


@dataclass(frozen=True, slots=True)
class Workplace:
    """The folder of one training: weights, checkpoint, and a registry that no worker serves from."""

    folder: Path

    @property
    def weights(self) -> Path:
        return self.folder / "weights.keras"

    @property
    def record(self) -> Path:
        """The file that `train` writes last. If it exists, the weights are complete."""
        return self.folder / "weights.keras.json"

    @property
    def staging_dir(self) -> Path:
        return self.folder / "models"


def train_command(place: Workplace, parameters: Parameters, resume: bool) -> list[str]:
    command = [*PROGRAM, "train", "--weights", str(place.weights), "--network", parameters.network]
    command += ["--num-epochs", str(parameters.epochs), "--batch-size", str(parameters.batch_size)]
    command += ["--seed", str(parameters.seed), "--progress", "json"]
    command += ["--augment" if parameters.augment else "--no-augment"]
    if parameters.limit_images is not None:
        command += ["--limit-images", str(parameters.limit_images)]
    return [*command, "--resume"] if resume else command


def export_command(place: Workplace, model: str, version: int) -> list[str]:
    name = ["--weights", str(place.weights), "--name", model, "--version", str(version)]
    return [*PROGRAM, "export", *name, "--models-dir", str(place.staging_dir), "--force"]


def evaluate_command(place: Workplace, ref: str) -> list[str]:
    """Return the command that writes the accuracy into the version's card."""
    return [*PROGRAM, "evaluate", "--model", ref, "--models-dir", str(place.staging_dir), "--write"]


def qa_command(judged_dir: Path, ref: str, champion: str | None, champion_dir: Path, floor: float | None) -> list[str]:
    """Return the command of the gate. `judged_dir` is the registry of `ref`. None lets the gate find the champion."""
    command = [*PROGRAM, "qa", ref, "--models-dir", str(judged_dir), "--champion-dir", str(champion_dir), "--json"]
    # The "=" keeps the text of a task's sender from being read as another option.
    command += [] if champion is None else [f"--champion={champion}"]
    return command if floor is None else [*command, f"--floor={floor}"]


def publish_command(place: Workplace, ref: str, models_dir: Path) -> list[str]:
    return [*PROGRAM, "publish", ref, "--from", str(place.staging_dir), "--models-dir", str(models_dir)]


def progress_of(line: str) -> Progress | None:
    """Read a line of `train --progress json`. Return None for any other line."""
    try:
        return msgspec.json.decode(line, type=Progress)
    except msgspec.DecodeError:
        return None


def verdict_of(report: str, champion: str | None) -> Verdict | None:
    """Return the verdict of a gate's report, or None if `report` is not one.

    If `champion` is None, the verdict names the champion that the gate has found.
    """
    try:
        verdict = msgspec.json.decode(report, type=Verdict)
    except msgspec.DecodeError:
        return None
    return Verdict(
        verdict.passed,
        tuple(
            [
                msgspec.structs.replace(check, sentence=check.sentence[:MAX_SENTENCE_CHARS])
                for check in verdict.checks[:MAX_CHECKS]
            ]
        ),
        verdict.champion if champion is None else champion,
    )


def refusal_of(verdict: Verdict) -> str:
    """Return in a sentence why the gate refused the version."""
    failed = [f"{check.name}: {check.sentence}" for check in verdict.checks if not check.passed]
    return "the gate refused it: " + "; ".join(failed)
