"""The gate on a version of the registry, as a process aside: `python -m training qa NAME@VERSION`."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from shared.config.settings import Settings
from shared.models.registry import load_version
from worker.tasks.retraining import stages
from worker.tasks.retraining.child import Stream, run_aside
from worker.tasks.retraining.pipeline import StageFailed, environ_aside


def judge(
    ref: str, champion: str | None, floor: float | None, settings: Settings, wanted: Callable[[], bool]
) -> dict[str, Any]:
    """The verdict, whose `passed` may be false, with the version as `model`; the whole report lies beside the version.

    Blocks for half a minute and more. Raises ModelError for a version that is not there, StageFailed where there is no
    verdict, and Unwanted.
    """
    assert isinstance(settings.models_dir, Path), "else the trainer would not have started"
    models_dir = settings.models_dir.absolute()
    version = load_version(models_dir, ref)
    written: dict[Stream, list[str]] = {"out": [], "err": []}
    command = stages.qa_command(models_dir, version.ref, champion, models_dir, floor)
    with tempfile.TemporaryDirectory(prefix="mnistified-qa-") as folder:
        status = run_aside(
            command,
            Path(folder),
            environ_aside(settings),
            settings.trainer_nice,
            lambda stream, line: written[stream].append(line),
            wanted,
        )
    verdict = stages.verdict_of("\n".join(written["out"]), champion)
    if verdict is None or verdict["passed"] != (status == 0):
        raise StageFailed("qa", status, [line for line in written["err"] if line.strip()])
    return {"model": version.ref, **verdict}
