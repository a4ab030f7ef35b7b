"""The drill with wrong clocks: no worker is missing, and no image expires before its time."""

import time

from tools.faults.account import wrong
from tools.faults.drills.rollbacks import read_end
from tools.faults.drills.scene import Drill, Scene
from tools.faults.load.clients import CLASSIFY, PNG
from tools.faults.load.http import Client
from tools.faults.load.images import HONEST

# Ahead and behind by more than WORKER_TTL_S, a deadline, and a lease.
CLOCKS_S = {"worker-1": 12.0, "worker-2": -12.0, "api-2": 30.0}
SINGLES = 8
TIMEOUT_S = 2.0
JOB_TIMEOUT_S = 25.0
PAUSE_S = 0.1


def use_deadlines(scene: Scene) -> None:
    """Send singles and a job with deadlines under wrong clocks, and read the state of the service."""
    scene.record.mark()
    for number in range(len(scene.service.urls)):
        client = scene.load.client(number)
        for _ in range(SINGLES):
            send_with_deadline(scene, client)
            check_state(scene, client)
            time.sleep(PAUSE_S)
        check_job(scene, client)
        client.close()


def send_with_deadline(scene: Scene, client: Client) -> None:
    sent_s = time.monotonic()
    reply = client.post(f"{CLASSIFY}?timeout_s={TIMEOUT_S}", scene.pictures.pngs[scene.rng.randrange(HONEST)], PNG)
    took_s = time.monotonic() - sent_s
    if reply is not None and reply.status_code == 504 and took_s < 0.9 * TIMEOUT_S:
        scene.record.add(wrong(f"a single expired after {took_s:.2f} of {TIMEOUT_S:g} s: {reply.text[:200]}"))


def check_state(scene: Scene, client: Client) -> None:
    """Check that all workers are in the state of the service, and that the service is ready."""
    status = client.get_json("/status")
    if status is not None:
        names = [worker["name"].partition("@")[0] for worker in status["workers"]]
        if sorted(names) != sorted(scene.service.workers):
            scene.record.add(wrong(f"the workers in /status are {names}"))
        if status["status"] != "ok":
            scene.record.add(wrong(f"/status says {status['status']}"))
    if client.get_json("/readyz") is None:
        scene.record.add(wrong("/readyz says that the service is not ready"))


def check_job(scene: Scene, client: Client) -> None:
    """Check that a job with a deadline is not expired before, also by an API whose clock is ahead by more than that."""
    numbers = scene.rng.choices(range(HONEST), k=300)
    headers = {"Content-Type": "application/x-npy"}
    reply = client.post(f"{CLASSIFY}/bulk?timeout_s={JOB_TIMEOUT_S:g}", scene.pictures.npy(numbers), headers)
    if reply is None or reply.status_code != 202:
        return
    job = read_end(client, reply.headers["location"])
    early = job is not None and job["state"] == "expired" and job["elapsed_s"] < 0.9 * JOB_TIMEOUT_S
    if job is None or early or job["state"] not in ("done", "expired") or not 0 <= job["elapsed_s"] < 2 * JOB_TIMEOUT_S:
        scene.record.add(wrong(f"a job with a deadline in {JOB_TIMEOUT_S:g} s: {job}"))


CLOCKS = (
    Drill(
        name="clocks",
        since="the first deadline",
        strike=use_deadlines,
        survives=True,
        apis=2,
        clocks_s=CLOCKS_S,
    ),
)
