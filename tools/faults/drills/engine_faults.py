"""Drills with a failing engine: a poisoned image joins the load, and only this image may fail."""

import time
from collections.abc import Mapping
from pathlib import Path

from shared.redis import keys
from tools.faults.account import lost
from tools.faults.drills.dead_letters import check_letters, replay_all
from tools.faults.drills.scene import Drill, Scene
from tools.faults.load.http import Client
from tools.faults.load.images import HONEST
from tools.faults.system.faulty_worker import HEALED_FILE
from tools.faults.system.poison import Fault

POISONED_JOB_IMAGES = 40
MAX_S = 60.0  # limit of a poisoned request: it kills three workers, and three restart
REFUSED_PAUSE_S = 0.05


def send_poison(scene: Scene, client: Client, fault: Fault) -> tuple[str, int]:
    """Send one poisoned image, alone or in a job, and wait for its answer. Return the job, if any, and the index."""
    poisoned = scene.pictures.poisoned[fault]
    if scene.rng.random() < 0.5:
        while not scene.load.send_single(client, poisoned):
            time.sleep(REFUSED_PAUSE_S)
        return "", 0
    numbers = scene.rng.choices(range(HONEST), k=POISONED_JOB_IMAGES)
    index = scene.rng.randrange(POISONED_JOB_IMAGES)
    numbers[index] = poisoned
    while (accepted := scene.load.send_job(client, numbers)) is None:
        time.sleep(REFUSED_PAUSE_S)
    if not scene.record.wait_final(accepted, MAX_S):
        scene.record.add(lost(accepted.id, 0, f"its poison has no answer after {MAX_S:g} s"))
    return accepted.id, index


def failing(fault: Fault) -> Drill:
    """The engine gives an invalid answer, and the worker keeps running."""

    def strike(scene: Scene) -> None:
        client = scene.load.client()
        send_poison(scene, client, fault)
        scene.record.mark()
        client.close()

    return Drill(name=f"engine-{fault}", since="the poison's answer", strike=strike, faulty=True)


def deadly(fault: Fault) -> Drill:
    """The engine kills its worker: after MAX_ATTEMPTS the image is a dead letter."""

    def strike(scene: Scene) -> None:
        client = scene.load.client()
        before = scene.service.redis.xlen(keys.DEAD_LETTERS)
        job, index = send_poison(scene, client, fault)
        scene.record.mark()
        check_letters(scene, client, before, job, index)
        client.close()

    return Drill(
        name=f"engine-{fault}", since="the poison's answer", strike=strike, faulty=True, settings=healable, end=heal
    )


def heal(scene: Scene) -> None:
    """Repair the model and replay the dead letters."""
    healed_file(scene.folder).touch()
    replay_all(scene, [scene.pictures.poisoned[fault] for fault in DEADLY])


def healed_file(folder: Path) -> Path:
    return folder / "healed"


def healable(folder: Path) -> Mapping[str, str]:
    return {HEALED_FILE: str(healed_file(folder))}


FAILING: tuple[Fault, ...] = ("raises", "nan", "wrong-length")
DEADLY: tuple[Fault, ...] = ("hangs", "dies", "freezes")
ENGINE_FAULTS: tuple[Drill, ...] = (*map(failing, FAILING), *map(deadly, DEADLY))
