"""The harm that is done to a scene, and where it has to be seen: in `/status`, in `/metrics`, as alerts that fire."""

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from shared import keys
from shared.errors import MnistifiedError
from tests.faults.faulty_worker import HEALED_FILE
from tests.faults.pictures import to_png
from tests.faults.poison import poisoned
from tests.faults.service import worker_command
from tests.metrics.prometheus import Prometheus
from tests.metrics.scene import BROKEN, MAX_QUEUED_BULK_IMAGES, Samples, Scene, value
from tests.processes import Process

POLL_S = 0.1
GIVE_UP_S = 120.0
WAKING_S = 3.0
FLOOD_JOBS = 6
FLOOD_IMAGES = 10_000


@dataclass(frozen=True, slots=True)
class Drill:
    """`in_status` is given the code and the content of `/status`, `in_metrics` what was scraped: the API's, and the
    workers' too where `workers` is set. `mend` brings the scene back. Time runs from the harm's start, or from its end
    where it takes long to come about.
    """

    name: str
    harm: Callable[[Scene], None]
    in_status: Callable[[int, dict[str, Any]], bool] | None
    in_metrics: Callable[[Samples], bool] | None
    alerts: tuple[str, ...]
    mend: Callable[[Scene], None]
    workers: bool = False
    from_its_end: bool = False


@dataclass(slots=True)
class Seen:
    """Seconds from the harm until it was seen; what was not is not there."""

    drill: str
    at_s: float  # unix time of the harm
    in_status_s: float | None = None
    in_metrics_s: float | None = None
    firing_s: dict[str, float] = field(default_factory=dict)

    def all_of(self, drill: Drill) -> bool:
        return (
            (self.in_status_s is not None or not drill.in_status)
            and (self.in_metrics_s is not None or not drill.in_metrics)
            and self.firing_s.keys() == set(drill.alerts)
        )


def run_drill(drill: Drill, scene: Scene, prometheus: Prometheus) -> Seen:
    """Do the harm, wait until all of it is seen, mend it. Raises MnistifiedError when an alert fires before."""
    _wait_until_quiet(drill, prometheus)
    harm = threading.Thread(target=drill.harm, args=(scene,))
    seen, start_s = Seen(drill.name, time.time()), time.monotonic()
    harm.start()
    if drill.from_its_end:
        harm.join()
        seen, start_s = Seen(drill.name, time.time()), time.monotonic()
    while not seen.all_of(drill) and time.monotonic() - start_s < GIVE_UP_S:
        if drill.in_status and seen.in_status_s is None and drill.in_status(*scene.status()):
            seen.in_status_s = time.monotonic() - start_s
        if drill.in_metrics and seen.in_metrics_s is None and drill.in_metrics(scene.metrics(drill.workers)):
            seen.in_metrics_s = time.monotonic() - start_s
        for alert in prometheus.firing() & set(drill.alerts) - seen.firing_s.keys():
            seen.firing_s[alert] = time.monotonic() - start_s
        time.sleep(POLL_S)
    drill.mend(scene)
    harm.join()
    return seen


def _wait_until_quiet(drill: Drill, prometheus: Prometheus) -> None:
    deadline_s = time.monotonic() + GIVE_UP_S
    while early := prometheus.firing() & set(drill.alerts):
        if time.monotonic() > deadline_s:
            raise MnistifiedError(f"{drill.name}: {', '.join(sorted(early))} fires before any harm is done")
        time.sleep(POLL_S)


def _kill(scene: Scene, *names: str) -> None:
    for name in names:
        scene.system.workers[name].signal(signal.SIGKILL)


def _restart(*names: str) -> Callable[[Scene], None]:
    def restart(scene: Scene) -> None:
        for name in names:
            scene.start_worker(name)
        scene.system.wait_until_ready(2)

    return restart


def _nothing(scene: Scene) -> None:
    pass


def _ask_for_broken(scene: Scene) -> None:
    """Over several scrapes: what began with its first failure has no rate yet."""
    for _ in range(5):
        httpx.get(f"{scene.system.url}/mnist/classify/0", params={"model": BROKEN}, timeout=60)
        time.sleep(1)


def _invert(scene: Scene) -> None:
    for _ in range(4):
        scene.submit_images(255 - scene.images[:2000])


def _flood(scene: Scene) -> None:
    """Workers that hold still, and jobs until the lane is full, again and again."""
    for worker in scene.system.workers.values():
        worker.signal(signal.SIGSTOP)
    senders = [
        threading.Thread(target=scene.submit_images, args=(scene.images[:FLOOD_IMAGES],)) for _ in range(FLOOD_JOBS)
    ]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()


def _go_on(scene: Scene) -> None:
    """A worker that held still for long may end itself on waking: its watchdog takes it for stuck."""
    for worker in scene.system.workers.values():
        worker.signal(signal.SIGCONT)
    time.sleep(WAKING_S)
    for name, worker in list(scene.system.workers.items()):
        if worker.status is not None:
            scene.start_worker(name)
    scene.system.wait_until_ready(2)
    while scene.status()[1]["queues"]["cnn"]["bulk"]["images"] > MAX_QUEUED_BULK_IMAGES / 10:
        time.sleep(POLL_S)


def _poison(scene: Scene) -> None:
    """An image that kills its worker, which a supervisor would start anew, until it is set aside."""
    _kill(scene, "worker-1", "worker-2")
    environ = {**scene.system.environ, "MAX_ATTEMPTS": "1", "LEASE_MS": "1000", HEALED_FILE: "/nonexistent"}
    png = to_png(poisoned(scene.images[0], "dies"))
    headers = {"Prefer": "respond-async"}
    httpx.post(f"{scene.system.url}/mnist/classify", content=png, headers=headers, timeout=60)
    while not scene.system.redis.xlen(keys.DEAD_LETTERS):
        worker = Process(worker_command("faulty", faulty=True), environ)
        while worker.status is None and not scene.system.redis.xlen(keys.DEAD_LETTERS):
            time.sleep(POLL_S)
        worker.signal(signal.SIGKILL)
        worker.wait()


def _kill_second_api(scene: Scene) -> None:
    scene.second_api.signal(signal.SIGKILL)
    scene.second_api.wait()


def _distance(status: dict[str, Any]) -> float:
    return max((told["ink"]["distance"] or 0.0 for told in status["drift"].values()), default=0.0)


DRILLS = (
    Drill(
        "a version that will not load",
        _ask_for_broken,
        lambda code, status: any(BROKEN in worker["failed_models"] for worker in status.get("workers", ())),
        lambda samples: value(samples, "mnistified_failed_version", version=BROKEN) > 0,
        ("VersionFailed", "ImagesFail"),
        _nothing,
        workers=True,
    ),
    Drill(
        "inverted images",
        _invert,
        lambda code, status: code == 200 and _distance(status) > 0.1,
        lambda samples: max((each for name, _, each in samples if name.endswith("drift_distance")), default=0) > 0.1,
        ("Drift",),
        _nothing,
    ),
    Drill(
        "an API process killed",
        _kill_second_api,
        None,  # the others know nothing of it
        None,
        ("ApiAway",),
        lambda scene: scene.start_second_api(),
    ),
    Drill(
        "a worker killed",
        lambda scene: _kill(scene, "worker-1"),
        lambda code, status: any(
            worker["late"] and "worker-1@" in worker["name"] for worker in status.get("workers", ())
        ),
        lambda samples: value(samples, "mnistified_fleet_workers", state="late") > 0,
        ("WorkersLost", "Takeovers"),
        _restart("worker-1"),
    ),
    Drill(
        "Redis away",
        lambda scene: scene.redis_server.process.signal(signal.SIGKILL),
        lambda code, status: code == 503,
        lambda samples: bool(samples) and value(samples, "mnistified_redis_up") == 0,
        ("RedisAway", "ApiErrors"),
        lambda scene: scene.redis_server.start(),
    ),
    Drill(
        "the queue full",
        _flood,
        lambda code, status: status.get("refusals", {}).get("lane_images", 0) > 0,
        lambda samples: value(samples, "mnistified_refusals_total", reason="lane_images") > 0,
        ("QueueFilling", "QueueFull"),
        _go_on,
    ),
    Drill(
        "all workers killed",
        lambda scene: _kill(scene, "worker-1", "worker-2"),
        lambda code, status: code == 200 and all(worker["late"] for worker in status["workers"]),
        lambda samples: (
            value(samples, "mnistified_redis_up") > 0
            and value(samples, "mnistified_fleet_workers", state="beating") == 0
        ),
        ("NoWorker", "NoProgress"),
        _restart("worker-1", "worker-2"),
    ),
    Drill(
        "an image that kills its workers",
        _poison,
        lambda code, status: status.get("dead_letters", 0) > 0,
        lambda samples: value(samples, "mnistified_fleet_dead_letters") > 0,
        ("DeadLetters",),
        _restart("worker-1", "worker-2"),
        from_its_end=True,
    ),
)
