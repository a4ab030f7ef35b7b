"""The quality gate on a published version, in a process of its own: `python -m training qa NAME@VERSION`."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from shared.config.settings import Settings
from shared.models.registry import load_version
from worker.tasks.retraining import stages
from worker.tasks.retraining.child import Stream, run_process
from worker.tasks.retraining.pipeline import StageFailed, stage_environ


def judge(
    ref: str, champion: str | None, floor: float | None, settings: Settings, may_run: Callable[[], bool]
) -> dict[str, Any]:
    """Return the verdict, whose `passed` may be false, with the version as `model`.

    The whole report is written next to the version. Blocks for half a minute and more. Raises ModelError for a missing
    version, StageFailed if there is no verdict, and Stopped.
    """
    assert isinstance(settings.models_dir, Path), "else the trainer would not have started"
    models_dir = settings.models_dir.absolute()
    version = load_version(models_dir, ref)
    written: dict[Stream, list[str]] = {"out": [], "err": []}
    command = stages.qa_command(models_dir, version.ref, champion, models_dir, floor)
    with tempfile.TemporaryDirectory(prefix="mnistified-qa-") as folder:
        status = run_process(
            command,
            Path(folder),
            stage_environ(settings),
            settings.trainer_nice,
            lambda stream, line: written[stream].append(line),
            may_run,
        )
    verdict = stages.verdict_of("\n".join(written["out"]), champion)
    if verdict is None or verdict.passed != (status == 0):
        raise StageFailed("qa", status, [line for line in written["err"] if line.strip()])
    return {"model": version.ref, **msgspec.to_builtins(verdict)}
