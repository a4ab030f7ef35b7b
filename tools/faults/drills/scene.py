"""The service and the load of a drill."""

import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.processes import ROOT
from tools.faults.load.clients import Load
from tools.faults.load.images import Pictures
from tools.faults.record import Record
from tools.faults.system.service import Service

RECOVER_S = 30.0


@dataclass(frozen=True, slots=True)
class Scene:
    """A service under load, with a folder for the drill."""

    service: Service
    load: Load
    record: Record
    pictures: Pictures
    rng: random.Random
    folder: Path


def nothing_more(scene: Scene) -> None:
    """Do nothing at the end of a drill."""


def this_release(folder: Path) -> Path:
    return ROOT


def no_settings(folder: Path) -> Mapping[str, str]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """A drill. `strike` causes the fault once, marks the start of the recovery, and returns when the fault is over.

    `settings` are for the service, and `end` runs once the load has ended and all results are read. The processes start
    from the code in the folder that `code` returns. If `proxied`, the service reaches Redis through a proxy. If it
    `survives`, no process may exit. `clocks_s` has the errors of clocks, by process. `recover_s` is the limit of a
    recovery.
    """

    name: str
    since: str
    strike: Callable[[Scene], None]
    apis: int = 1
    faulty: bool = False
    proxied: bool = False
    survives: bool = False
    settings: Callable[[Path], Mapping[str, str]] = no_settings
    end: Callable[[Scene], None] = nothing_more
    code: Callable[[Path], Path] = this_release
    clocks_s: Mapping[str, float] = field(default_factory=dict)
    recover_s: float = RECOVER_S


def together(name: str, drills: Sequence[Drill]) -> Drill:
    """Return a drill that strikes with each of `drills` in turn, on a service that suits all of them."""
    turns = itertools.cycle(drills)

    def settings(folder: Path) -> Mapping[str, str]:
        return {key: value for drill in drills for key, value in drill.settings(folder).items()}

    def end(scene: Scene) -> None:
        for each in dict.fromkeys(drill.end for drill in drills):
            each(scene)

    return Drill(
        name=name,
        since="each one's own moment",
        strike=lambda scene: next(turns).strike(scene),
        apis=max(drill.apis for drill in drills),
        faulty=any(drill.faulty for drill in drills),
        proxied=any(drill.proxied for drill in drills),
        survives=all(drill.survives for drill in drills),
        settings=settings,
        end=end,
    )
