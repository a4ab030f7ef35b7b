"""The harms to a scene, and how each is undone. A harm sets its event once it is done."""

import signal
import threading
import time
from collections.abc import Callable

import httpx

from shared.redis import keys
from tests.support.processes import Process
from tests.support.uploads import image_file
from tools.check_metrics.scene import BROKEN, MAX_QUEUED_BULK_IMAGES, Scene
from tools.faults.system.faulty_worker import HEALED_FILE
from tools.faults.system.poison import poisoned
from tools.faults.system.service import worker_command

POLL_S = 0.1
WAKING_S = 3.0
FLOOD_JOBS = 6
FLOOD_IMAGES = 5_000
FULL_IMAGES = MAX_QUEUED_BULK_IMAGES - 256  # leaves room for less than an entry

Harm = Callable[[Scene, threading.Event], None]


def kill(*names: str) -> Harm:
    def kill(scene: Scene, happened: threading.Event) -> None:
        for name in names:
            scene.system.workers[name].signal(signal.SIGKILL)

    return kill


def restart(*names: str) -> Callable[[Scene], None]:
    def restart(scene: Scene) -> None:
        for name in names:
            scene.start_worker(name)
        scene.system.wait_until_ready(2)

    return restart


def nothing(scene: Scene) -> None:
    pass


def request_broken(scene: Scene, happened: threading.Event) -> None:
    """Request a broken version over several scrapes, because a series that has just begun has no rate."""
    for _ in range(5):
        httpx.get(f"{scene.system.url}/mnist/classify/0", params={"model": BROKEN}, timeout=60)
        happened.set()
        time.sleep(1)


def invert(scene: Scene, happened: threading.Event) -> None:
    for _ in range(4):
        scene.submit_images(255 - scene.images[:2000])


def flood(scene: Scene, happened: threading.Event) -> None:
    """Stop the workers and submit jobs until the lane is full."""
    for worker in scene.system.workers.values():
        worker.signal(signal.SIGSTOP)
    senders = [
        threading.Thread(target=scene.submit_images, args=(scene.images[:FLOOD_IMAGES],)) for _ in range(FLOOD_JOBS)
    ]
    for sender in senders:
        sender.start()
    while int(scene.system.redis.hget(keys.queued("cnn", "bulk"), "images") or 0) < FULL_IMAGES:
        time.sleep(POLL_S)
    happened.set()
    for sender in senders:
        sender.join()


def resume_workers(scene: Scene) -> None:
    """Resume the workers. A worker that was stopped for long may exit, because its watchdog thinks that it hangs."""
    for worker in scene.system.workers.values():
        worker.signal(signal.SIGCONT)
    time.sleep(WAKING_S)
    for name, worker in list(scene.system.workers.items()):
        if worker.status is not None:
            scene.start_worker(name)
    scene.system.wait_until_ready(2)
    while scene.status()[1]["queues"]["cnn"]["bulk"]["images"] > MAX_QUEUED_BULK_IMAGES / 10:
        time.sleep(POLL_S)


def poison(scene: Scene, happened: threading.Event) -> None:
    """Send an image that kills its workers, and restart them as a supervisor would, until it is a dead letter."""
    kill("worker-1", "worker-2")(scene, happened)
    environ = {**scene.system.environ, "MAX_ATTEMPTS": "1", "LEASE_MS": "1000", HEALED_FILE: "/nonexistent"}
    png = image_file(poisoned(scene.images[0], "dies"))
    headers = {"Prefer": "respond-async"}
    httpx.post(f"{scene.system.url}/mnist/classify", content=png, headers=headers, timeout=60)
    while not scene.system.redis.xlen(keys.DEAD_LETTERS):
        worker = Process(worker_command("faulty", faulty=True), environ)
        while worker.status is None and not scene.system.redis.xlen(keys.DEAD_LETTERS):
            time.sleep(POLL_S)
        worker.signal(signal.SIGKILL)
        worker.wait()


def kill_second_api(scene: Scene, happened: threading.Event) -> None:
    scene.second_api.signal(signal.SIGKILL)
    scene.second_api.wait()


def kill_redis(scene: Scene, happened: threading.Event) -> None:
    scene.redis_server.process.signal(signal.SIGKILL)
