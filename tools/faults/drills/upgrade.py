"""The rolling upgrade: processes of the previous release and of this release share one Redis, in every combination."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tests.support.processes import ROOT
from tools.faults.drills.scene import Drill, Scene
from tools.faults.system.releases import extract_previous, models_of

NUMBERS = (1, 2)  # two API processes and two workers


def steps() -> Iterator[tuple[str, bool]]:
    """Yield the process to replace and whether its new code is this release, forever.

    The walk begins with the previous release alone. Its eight steps visit each number of upgraded API processes with
    each number of upgraded workers, and the way back is a rollback.
    """
    rollout: list[tuple[str, bool]] = []
    upgraded = True
    for api in (*NUMBERS, None):
        numbers = NUMBERS if upgraded else NUMBERS[::-1]
        rollout += [(f"worker-{number}", upgraded) for number in numbers]
        rollout += [(f"api-{api}", True)] if api else []
        upgraded = not upgraded
    rollback = [(name, not upgraded) for name, upgraded in reversed(rollout)]
    return itertools.cycle([*rollout, *rollback])


def replacer() -> Callable[[Scene], None]:
    """Return a strike that replaces the next process: TERM, and a new start from the code of the other release."""
    walk = steps()

    def replace_next(scene: Scene) -> None:
        name, upgraded = next(walk)
        scene.record.mark()
        scene.service.replace(name, ROOT if upgraded else previous_folder(scene.folder))

    return replace_next


def previous_folder(folder: Path) -> Path:
    """Return the code of the previous release, which is extracted at the first call."""
    previous = folder / "previous"
    return previous if previous.is_dir() else extract_previous(folder)


def previous_models(folder: Path) -> Mapping[str, str]:
    return {"MODELS_DIR": str(models_of(previous_folder(folder)))}


UPGRADES = (
    Drill(
        name="upgrade",
        since="the signal",
        strike=replacer(),
        apis=2,
        code=previous_folder,
        settings=previous_models,
    ),
)
