"""The stages of a training, and the command of each: `python -m training …` as anybody could type it."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from shared.contract.training_request import Parameters

Stage = Literal["train", "export", "evaluate", "qa", "publish"]

PROGRAM = (sys.executable, "-m", "training")
MAX_CHECKS = 100
MAX_SENTENCE_CHARS = 300


@dataclass(frozen=True, slots=True)
class Workplace:
    """The folder of one training: its weights with their checkpoint, and a registry that nobody serves from."""

    folder: Path

    @property
    def weights(self) -> Path:
        return self.folder / "weights.keras"

    @property
    def record(self) -> Path:
        """What `train` writes last: there, the training itself is over."""
        return self.folder / "weights.keras.json"

    @property
    def checkpoint(self) -> Path:
        return self.folder / "weights.keras.checkpoint"

    @property
    def staging_dir(self) -> Path:
        return self.folder / "models"


def train_command(place: Workplace, wanted: Parameters, resume: bool) -> list[str]:
    command = [*PROGRAM, "train", "--weights", str(place.weights), "--network", wanted.network]
    command += ["--num-epochs", str(wanted.epochs), "--batch-size", str(wanted.batch_size), "--seed", str(wanted.seed)]
    command += ["--augment" if wanted.augment else "--no-augment", "--progress", "json"]
    if wanted.limit_images is not None:
        command += ["--limit-images", str(wanted.limit_images)]
    return [*command, "--resume"] if resume else command


def export_command(place: Workplace, model: str, version: int) -> list[str]:
    name = ["--weights", str(place.weights), "--name", model, "--version", str(version)]
    return [*PROGRAM, "export", *name, "--models-dir", str(place.staging_dir), "--force"]


def evaluate_command(place: Workplace, ref: str) -> list[str]:
    """The accuracy goes on the version's card."""
    return [*PROGRAM, "evaluate", "--model", ref, "--models-dir", str(place.staging_dir), "--write"]


def qa_command(judged_dir: Path, ref: str, champion: str | None, champion_dir: Path, floor: float | None) -> list[str]:
    """`judged_dir` is the registry that `ref` is in. Where no champion is named, the gate looks for one itself."""
    command = [*PROGRAM, "qa", ref, "--models-dir", str(judged_dir), "--champion-dir", str(champion_dir), "--json"]
    # With "=", so that no text is taken for another option: these come from whoever sends a task.
    command += [] if champion is None else [f"--champion={champion}"]
    return command if floor is None else [*command, f"--floor={floor}"]


def publish_command(place: Workplace, ref: str, models_dir: Path) -> list[str]:
    return [*PROGRAM, "publish", ref, "--from", str(place.staging_dir), "--models-dir", str(models_dir)]


def progress_of(line: str) -> dict[str, Any] | None:
    """What `train --progress json` tells in a line; None for any other line."""
    if not line.startswith("{"):
        return None
    try:
        told = json.loads(line)
    except ValueError:
        return None
    return told if isinstance(told, dict) and "epoch" in told else None


def verdict_of(report: str, champion: str | None) -> dict[str, Any] | None:
    """The gate's verdict, without what is only in its whole report; None where `report` is none.

    Without a `champion` it is the one that the gate itself has found.
    """
    try:
        told = json.loads(report)
        checks = [
            {
                "name": str(check["name"]),
                "passed": bool(check["passed"]),
                "sentence": str(check["sentence"])[:MAX_SENTENCE_CHARS],
                "measured": check.get("measured"),
                "bound": check.get("bound"),
                "champion": check.get("champion"),
            }
            for check in told["checks"][:MAX_CHECKS]
        ]
        return {
            "passed": bool(told["passed"]),
            "champion": told.get("champion") if champion is None else champion,
            "checks": checks,
        }
    except (ValueError, KeyError, TypeError):
        return None


def refusal_of(verdict: dict[str, Any]) -> str:
    """Why the gate refused, in a sentence."""
    failed = [f"{check['name']}: {check['sentence']}" for check in verdict["checks"] if not check["passed"]]
    return "the gate refused it: " + "; ".join(failed)
