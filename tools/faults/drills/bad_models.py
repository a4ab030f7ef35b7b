"""Drills with a broken model: it is refused with a reason, and other models continue to work."""

import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.support.registries import DEFAULT
from tools.faults.account import wrong
from tools.faults.drills.scene import Drill, Scene
from tools.faults.load.images import HONEST, WILL_NOT_LOAD
from tools.faults.system.faulty_worker import ORDER
from tools.faults.system.service import start_alone

BROKEN = "broken"
JOB_IMAGES = 20
MAX_S = 60.0  # a worker may need half of it to start on a busy machine


def with_broken_model(folder: Path) -> Mapping[str, str]:
    """A registry with the default version and a model whose files are garbage."""
    models = folder / "models"
    shutil.copytree(DEFAULT.directory, models / DEFAULT.name / str(DEFAULT.version))
    shutil.copytree(DEFAULT.directory, models / BROKEN / "1")
    for file in ("model.tflite", "model.keras"):
        (models / BROKEN / "1" / file).write_bytes(b"garbage" * 1000)
    return {"MODELS_DIR": str(models)}


def use_broken_model(scene: Scene) -> None:
    """Only requests for the broken model fail, and a worker with it as default refuses to start."""
    client = scene.load.client()
    scene.record.mark()
    scene.load.send_single(client, scene.rng.randrange(HONEST), BROKEN)
    accepted = scene.load.send_job(client, scene.rng.choices(range(HONEST), k=JOB_IMAGES), BROKEN)
    if accepted is not None:
        scene.record.wait_final(accepted, MAX_S)
    client.close()
    expect_refusal(scene, {"DEFAULT_MODEL": BROKEN}, faulty=False, reason=WILL_NOT_LOAD)


def use_wrong_order(scene: Scene) -> None:
    """An engine that answers in the wrong order never answers a client."""
    scene.record.mark()
    expect_refusal(scene, {ORDER: "reversed"}, faulty=True, reason="order")


def expect_refusal(scene: Scene, environ: Mapping[str, str], faulty: bool, reason: str) -> None:
    """Start one more worker, which must exit with an error and log the reason."""
    process = start_alone(scene.service, "worker-refused", environ, faulty)
    try:
        status = process.wait(MAX_S)
    except subprocess.TimeoutExpired:
        scene.record.add(wrong(f"a worker with {dict(environ)} started"))
        process.signal(signal.SIGKILL)
        process.wait()
        return
    if not status or reason not in process.output:
        scene.record.add(wrong(f"a worker with {dict(environ)} ended with {status}: {process.output[-500:]}"))


BAD_MODELS = (
    Drill(name="broken-model", since="the first request for it", strike=use_broken_model, settings=with_broken_model),
    Drill(name="engine-wrong-order", since="the worker's start", strike=use_wrong_order),
)
