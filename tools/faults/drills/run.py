"""One drill from start to account: a service, a load, repeated faults, and two readings of every result."""

import random
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from shared.models.registry import ModelVersion
from tests.support.processes import ROOT
from tools.faults.account import Tally, compare, fingerprints, lost
from tools.faults.drills.bad_models import BAD_MODELS
from tools.faults.drills.clocks import CLOCKS
from tools.faults.drills.engine_faults import ENGINE_FAULTS
from tools.faults.drills.outages import OUTAGES
from tools.faults.drills.redis_faults import REDIS_FAULTS
from tools.faults.drills.rollbacks import ROLLBACKS
from tools.faults.drills.scene import Drill, Scene
from tools.faults.drills.upgrade import UPGRADES
from tools.faults.load.clients import ITEMS_LIMIT, Load
from tools.faults.load.http import Client
from tools.faults.load.images import Pictures
from tools.faults.load.other_model import make_pictures_for, make_registry
from tools.faults.record import Accepted, Record, Times
from tools.faults.system.releases import answered_by_both
from tools.faults.system.service import SETTINGS, Service

ALL_DRILLS = (*OUTAGES, *REDIS_FAULTS, *BAD_MODELS, *ENGINE_FAULTS, *UPGRADES, *CLOCKS, *ROLLBACKS)
DRILLS: dict[str, Drill] = {drill.name: drill for drill in ALL_DRILLS}
WORKERS = 2
SETTLE_S = 45.0
SINGLES_READ_AGAIN = 300
READ_TRIES = 100
READ_PAUSE_S = 0.05


@dataclass(slots=True)
class Outcome:
    """The results of a drill's repetitions. `exits` counts processes that ended and were restarted."""

    drill: str
    since: str
    repetitions: int
    images: int = 0
    also: str = ""  # another model, and how many of the images were for it
    also_images: int = 0
    refused_singles: int = 0
    refused_jobs: int = 0
    tally: Tally = field(default_factory=Tally)
    times: list[Times] = field(default_factory=list)
    exits: dict[str, int] = field(default_factory=dict)
    peak_mib: dict[str, int] = field(default_factory=dict)  # most memory of any API and any worker
    seconds: float = 0.0
    survives: bool = False

    @property
    def clean(self) -> bool:
        """No image was lost, doubled or wrong, and the service recovered every time, without an exit if it must."""
        return self.tally.clean and len(self.times) == self.repetitions and not (self.survives and self.exits)


def run_drill(
    drill: Drill, pictures: Pictures, seed: int, repetitions: int, also: ModelVersion | None = None
) -> Outcome:
    """Run a drill; each repetition takes seconds. The load has images for the model `also`, too.

    Raises AssertionError if the service is never ready.
    """
    started_s = time.monotonic()
    outcome = Outcome(drill.name, drill.since, repetitions, survives=drill.survives)
    with tempfile.TemporaryDirectory(prefix="faults-") as name:
        folder = Path(name)
        (folder / "redis").mkdir()
        code = drill.code(folder)
        if code != ROOT:
            pictures = answered_by_both(pictures, code, folder)
        service = Service(
            folder / "redis",
            drill.apis,
            WORKERS,
            drill.faulty,
            settings_of(drill, folder, also),
            code,
            proxied=drill.proxied,
            clocks_s=drill.clocks_s,
        )
        try:
            service.wait_until_ready()
            record = Record()
            load = Load(service.urls, pictures, record, seed, make_pictures_for(also) if also else None)
            scene = Scene(service, load, record, pictures, random.Random(f"{seed} {drill.name}"), folder)
            strike_again_and_again(drill, scene, outcome)
            drill.end(scene)
            read_again(scene)
        finally:
            service.close()
    add_results(outcome, record, service, also)
    outcome.seconds = time.monotonic() - started_s
    return outcome


def settings_of(drill: Drill, folder: Path, also: ModelVersion | None) -> dict[str, str]:
    """Return the settings of a drill, with a registry in `folder` that also has the version `also`."""
    settings = dict(drill.settings(folder))
    if also is not None:
        models_dir = Path(settings.get("MODELS_DIR", SETTINGS["MODELS_DIR"]))
        settings["MODELS_DIR"] = str(make_registry(folder, models_dir, also))
    return settings


def add_results(outcome: Outcome, record: Record, service: Service, also: ModelVersion | None) -> None:
    """Add what was recorded to the outcome of a drill. If the service must survive, each exit is noted as a fault."""
    outcome.images, outcome.tally, outcome.peak_mib = record.images.total(), record.tally, service.peak_mib
    if also is not None:
        outcome.also, outcome.also_images = also.ref, record.images[also.ref]
    outcome.refused_singles, outcome.refused_jobs = record.refused_singles, record.refused_jobs
    outcome.exits = dict(Counter(f"{each.name.partition('-')[0]} {each.status}" for each in service.exits))
    for each in service.exits if outcome.survives else ():
        outcome.tally.note(f"{each.name} exited with {each.status}: {each.output[-1500:]}")


def strike_again_and_again(drill: Drill, scene: Scene, outcome: Outcome) -> None:
    """Strike at random moments while every process runs, under continuous load."""
    scene.load.start()
    try:
        for number in range(1, outcome.repetitions + 1):
            scene.service.wait_until_ready()
            time.sleep(scene.rng.uniform(0.2, 1.0))
            scene.record.begin()
            drill.strike(scene)
            times = scene.record.wait_recovered(drill.recover_s)
            if times is None:
                scene.record.tally.note(f"repetition {number}: no recovery within {drill.recover_s:g} s")
            else:
                outcome.times.append(times)
    finally:
        scene.load.stop(SETTLE_S)


def read_again(scene: Scene) -> None:
    """Read every job and some random singles again: final results must not have changed."""
    singles = scene.record.kept()
    drawn = scene.rng.sample(singles, min(SINGLES_READ_AGAIN, len(singles)))
    client = scene.load.client()
    for accepted in (*scene.record.settled(), *drawn):
        if accepted.prints:
            scene.record.add(compare_with_now(client, accepted, scene.record.is_forgiven(accepted)))
    client.close()


def compare_with_now(client: Client, accepted: Accepted, forgiven: bool) -> Tally:
    for _ in range(READ_TRIES):
        try:
            page = client.get_json(f"/results/{accepted.id}/items?limit={ITEMS_LIMIT}")
        except httpx.HTTPStatusError as error:
            if forgiven:
                return Tally()
            return lost(accepted.id, len(accepted.numbers), f"gone when read again: {error.response.status_code}")
        if page is not None:
            return Tally() if forgiven else compare(accepted.id, accepted.prints, fingerprints(page["items"]))
        time.sleep(READ_PAUSE_S)
    return lost(accepted.id, len(accepted.numbers), "cannot be read again")
