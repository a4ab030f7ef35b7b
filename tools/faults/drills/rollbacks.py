"""Drills in which Redis starts with an earlier append-only file, as after a power cut or with a lagging replica.

What Redis has lost cannot be answered, but a job of which it has lost images never ends as done.
"""

import shutil
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx

from shared.redis import keys
from tools.faults.account import lost, wrong
from tools.faults.drills.scene import Drill, Scene
from tools.faults.load.clients import BULK_ENTRY_IMAGES, CLASSIFY, NPY
from tools.faults.load.http import Client
from tools.faults.load.images import HONEST

IMAGES = 1750  # three chunks
TIMEOUT_S = 60.0
POLL_S = 0.005
MAX_S = 90.0  # an upload may be silent for half a minute


class Snapshot:
    """The files of a running Redis at one moment."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._data = scene.folder / "redis"
        self._copy = scene.folder / "snapshot"
        shutil.rmtree(self._copy, ignore_errors=True)
        shutil.copytree(self._data, self._copy)

    def restore(self) -> None:
        """Kill Redis, and start it again with the files of the snapshot."""
        server = self._scene.service.redis_server
        with self._scene.record.forgiving():
            server.process.signal(signal.SIGKILL)
            server.process.wait()
            shutil.rmtree(self._data)
            shutil.copytree(self._copy, self._data)
            server.start()
        self._scene.record.mark()


class Upload:
    """An upload of a job in pieces. `between` is called when Redis has the first chunk, and again with the second."""

    def __init__(self, scene: Scene, between: Callable[[int], None]) -> None:
        self._scene = scene
        self._between = between
        self.request_id = f"drill-{scene.rng.randrange(1 << 60):x}"

    def send(self) -> httpx.Response | None:
        """Return the reply, or None if the connection broke or the job was refused before its second chunk."""
        url = f"{self._scene.rng.choice(self._scene.service.urls)}{CLASSIFY}/bulk"
        headers = {**NPY, "X-Request-ID": self.request_id}
        try:
            return httpx.post(url, content=self._body(), headers=headers, timeout=TIMEOUT_S, trust_env=False)
        except httpx.TransportError:
            return None

    def _body(self) -> Iterator[bytes]:
        body = self._scene.pictures.npy(self._scene.rng.choices(range(HONEST), k=IMAGES))
        third = len(body) // 3
        for number in range(3):
            yield body[number * third : (number + 1) * third if number < 2 else len(body)]
            if number < 2:
                self._wait_for_chunks(number)
                self._between(number)

    def _wait_for_chunks(self, number: int) -> None:
        """Wait until Redis has accepted images of the upload, at least `number` chunks."""
        redis, deadline_s = self._scene.service.redis, time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline_s:
            job_id = self.job_id()
            if job_id and int(redis.hget(keys.job(job_id), "accepted") or 0) >= BULK_ENTRY_IMAGES * number:
                return
            time.sleep(POLL_S)
        raise httpx.ConnectError("the upload was refused")

    def job_id(self) -> str:
        """Return the id of the job in Redis, or an empty string."""
        redis = self._scene.service.redis
        for member in redis.zrange(keys.OPEN_JOBS, 0, -1):
            assert isinstance(member, bytes)
            job_id = member.decode()
            if redis.hget(keys.job(job_id), "request_id") == self.request_id.encode():
                return job_id
        return ""


def roll_back_upload(scene: Scene) -> None:
    """Roll back during an upload: to its first chunk, or to before it began. It must not be accepted."""
    before_it = scene.rng.random() < 0.5
    snapshots = [Snapshot(scene)] if before_it else []

    def between(number: int) -> None:
        if number == 0 and not before_it:
            snapshots.append(Snapshot(scene))
        if number == 1:
            snapshots[0].restore()

    upload = Upload(scene, between)
    reply = upload.send()
    if not snapshots or (reply is not None and reply.status_code not in (202, 429, 503)):
        scene.record.add(wrong(f"the upload was answered {reply and (reply.status_code, reply.text[:200])}"))
    elif reply is not None and reply.status_code == 202:
        scene.record.add(wrong(f"an upload was accepted of which Redis has lost a part: {reply.text[:200]}"))


def roll_back_job(scene: Scene) -> None:
    """Roll a finished job back to a moment of its upload. It must end as failed, or as cancelled by a DELETE."""
    snapshots: list[Snapshot] = []

    def between(number: int) -> None:
        if number == 1:
            snapshots.append(Snapshot(scene))

    reply = Upload(scene, between).send()
    if reply is None or reply.status_code != 202:
        scene.record.mark()
        return
    client = scene.load.client()
    location = reply.headers["location"]
    final = read_end(client, location)
    if final is None or final["state"] != "done":
        scene.record.add(lost(location, IMAGES, f"before the rollback: {final}"))
    snapshots[0].restore()
    check_end(scene, client, location)
    client.close()


def check_end(scene: Scene, client: Client, location: str) -> None:
    """Wait for the end of the job, or cancel it. The load continues meanwhile."""
    states: tuple[str, ...] = ("failed",)
    if scene.rng.random() < 0.3:
        delete(scene, location)
        states = ("cancelled",)
    try:
        job = read_end(client, location)
    except httpx.HTTPStatusError as error:
        scene.record.add(wrong(f"{location} that came back was answered {error.response.status_code}"))
        return
    if job is None or job["state"] not in states or job["total"] >= IMAGES:
        scene.record.add(wrong(f"{location} that came back: {job}"))
    elif job["state"] == "failed" and not job["reason"]:
        scene.record.add(wrong(f"{location} failed without a reason"))


def read_end(client: Client, location: str) -> dict[str, Any] | None:
    """Return the job once it is final, or as it is after MAX_S. Raises httpx.HTTPStatusError."""
    deadline_s = time.monotonic() + MAX_S
    job: dict[str, Any] | None = None
    while time.monotonic() < deadline_s:
        job = client.get_json(f"{location}?wait=5")
        if job is not None and job["state"] not in ("queued", "running"):
            break
        time.sleep(POLL_S)
    return job


def delete(scene: Scene, location: str) -> None:
    deadline_s = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline_s:
        try:
            reply = httpx.delete(f"{scene.service.urls[0]}{location}", timeout=TIMEOUT_S, trust_env=False)
        except httpx.TransportError:
            reply = None
        if reply is not None and reply.status_code != 503:
            if reply.json().get("state") != "cancelled":
                scene.record.add(wrong(f"DELETE of {location} was answered {reply.text[:300]}"))
            return
        time.sleep(0.1)


ROLLBACKS = (
    Drill(name="rollback-upload", survives=True, since="Redis being back", strike=roll_back_upload, recover_s=MAX_S),
    Drill(name="rollback-job", survives=True, since="Redis being back", strike=roll_back_job, recover_s=MAX_S),
)
