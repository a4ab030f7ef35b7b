"""The harms, and where each has to show: in `/status`, in `/metrics`, and as firing alerts."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from shared.errors import MnistifiedError
from tools.check_metrics.harm import (
    POLL_S,
    Harm,
    flood,
    invert,
    kill,
    kill_redis,
    kill_second_api,
    nothing,
    poison,
    request_broken,
    restart,
    resume_workers,
)
from tools.check_metrics.prometheus import Prometheus
from tools.check_metrics.scene import BROKEN, Samples, Scene, value

TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True)
class Drill:
    """A harm and the checks that show it.

    `in_status` gets code and content of `/status`, `in_metrics` the metrics of the API and, with `workers`, those of
    the workers. `mend` undoes the harm. Time counts from `counted_from`: when `harm` sets its event, or at its end.
    """

    name: str
    counted_from: str
    harm: Harm
    in_status: Callable[[int, dict[str, Any]], bool] | None
    in_metrics: Callable[[Samples], bool] | None
    alerts: tuple[str, ...]
    mend: Callable[[Scene], None]
    workers: bool = False


@dataclass(slots=True)
class Seen:
    """Seconds until the harm showed. A place where it never showed is missing."""

    drill: str
    at_s: float  # unix time at which the harm was done
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
    """Do the harm, wait until it shows everywhere, undo it. Raises MnistifiedError if an alert fires before."""
    _wait_until_quiet(drill, prometheus)
    happened = threading.Event()

    def do_harm() -> None:
        drill.harm(scene, happened)
        happened.set()

    harm = threading.Thread(target=do_harm)
    harm.start()
    assert happened.wait(TIMEOUT_S), f"{drill.name}: the harm was never done"
    seen, start_s = Seen(drill.name, time.time()), time.monotonic()
    while not seen.all_of(drill) and time.monotonic() - start_s < TIMEOUT_S:
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
    deadline_s = time.monotonic() + TIMEOUT_S
    while early := prometheus.firing() & set(drill.alerts):
        if time.monotonic() > deadline_s:
            raise MnistifiedError(f"{drill.name}: {', '.join(sorted(early))} fires before any harm is done")
        time.sleep(POLL_S)


def _distance(status: dict[str, Any]) -> float:
    return max((drift["ink"]["distance"] or 0.0 for drift in status["drift"].values()), default=0.0)


DRILLS = (
    Drill(
        "a version that will not load",
        "the first request for it being answered",
        request_broken,
        lambda code, status: any(BROKEN in worker["failed_models"] for worker in status.get("workers", ())),
        lambda samples: value(samples, "mnistified_failed_version", version=BROKEN) > 0,
        ("VersionFailed", "ImagesFail"),
        nothing,
        workers=True,
    ),
    Drill(
        "inverted images",
        "8,000 of them being accepted",
        invert,
        lambda code, status: code == 200 and _distance(status) > 0.1,
        lambda samples: max((each for name, _, each in samples if name.endswith("drift_distance")), default=0) > 0.1,
        ("Drift",),
        nothing,
    ),
    Drill(
        "an API process killed",
        "the kill",
        kill_second_api,
        None,  # the other processes do not know it
        None,
        ("ApiAway",),
        lambda scene: scene.start_second_api(),
    ),
    Drill(
        "a worker killed",
        "the kill",
        kill("worker-1"),
        lambda code, status: any(
            worker["late"] and "worker-1@" in worker["name"] for worker in status.get("workers", ())
        ),
        lambda samples: value(samples, "mnistified_fleet_workers", state="late") > 0,
        ("WorkersLost", "Takeovers"),
        restart("worker-1"),
    ),
    Drill(
        "Redis away",
        "its kill",
        kill_redis,
        lambda code, status: code == 503,
        lambda samples: bool(samples) and value(samples, "mnistified_redis_up") == 0,
        ("RedisAway", "ApiErrors"),
        lambda scene: scene.redis_server.start(),
    ),
    Drill(
        "the queue full",
        "the lane being full",
        flood,
        lambda code, status: status.get("refusals", {}).get("lane_images", 0) > 0,
        lambda samples: value(samples, "mnistified_refusals_total", reason="lane_images") > 0,
        ("QueueFilling", "QueueFull"),
        resume_workers,
    ),
    Drill(
        "all workers killed",
        "the kills",
        kill("worker-1", "worker-2"),
        lambda code, status: code == 200 and all(worker["late"] for worker in status["workers"]),
        lambda samples: (
            value(samples, "mnistified_redis_up") > 0
            and value(samples, "mnistified_fleet_workers", state="beating") == 0
        ),
        ("NoWorker", "NoProgress"),
        restart("worker-1", "worker-2"),
    ),
    Drill(
        "an image that kills its workers",
        "its dead letter",
        poison,
        lambda code, status: status.get("dead_letters", 0) > 0,
        lambda samples: value(samples, "mnistified_fleet_dead_letters") > 0,
        ("DeadLetters",),
        restart("worker-1", "worker-2"),
    ),
)
