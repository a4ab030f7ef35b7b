"""Drills that take away a process, Redis, or the connections. Victim and duration are random."""

import signal
import time

from tools.faults.drills.scene import Drill, Scene
from tools.faults.system.service import LEASE_S

ROOM_BYTES = 64 << 10  # memory that a full Redis has left


def kill_worker(scene: Scene) -> None:
    process = scene.service.wait_until_at_work(scene.rng.choice(scene.service.workers))
    scene.record.mark()
    process.signal(signal.SIGKILL)


def term_worker(scene: Scene) -> None:
    """Send TERM to a busy worker and wait for its end, under load."""
    process = scene.service.wait_until_at_work(scene.rng.choice(scene.service.workers))
    scene.record.mark()
    process.signal(signal.SIGTERM)
    process.wait()


def stop_worker(scene: Scene) -> None:
    """Stop a worker for longer than its lease, so that another worker has its entries when it continues."""
    process = scene.service.wait_until_at_work(scene.rng.choice(scene.service.workers))
    scene.record.mark()
    process.signal(signal.SIGSTOP)
    time.sleep(LEASE_S * scene.rng.uniform(1.5, 2.5))
    process.signal(signal.SIGCONT)


def restart_redis(scene: Scene) -> None:
    server = scene.service.redis_server
    server.process.signal(signal.SIGKILL)
    server.process.wait()
    time.sleep(scene.rng.uniform(0.1, 1.0))
    server.start()
    scene.record.mark()


def cut_connections(scene: Scene) -> None:
    scene.record.mark()
    for kind in ("normal", "pubsub"):
        scene.service.redis.client_kill_filter(_type=kind, skipme=True)


def slow_redis(scene: Scene) -> None:
    process = scene.service.redis_server.process
    for _ in range(scene.rng.randint(3, 6)):
        process.signal(signal.SIGSTOP)
        time.sleep(scene.rng.uniform(0.1, 1.0))
        process.signal(signal.SIGCONT)
        time.sleep(scene.rng.uniform(0.02, 0.3))
    scene.record.mark()


def kill_api(scene: Scene) -> None:
    scene.record.mark()
    scene.service.signal(scene.rng.choice(scene.service.apis), signal.SIGKILL)


def full_redis(scene: Scene) -> None:
    redis = scene.service.redis
    redis.config_set("maxmemory", redis.info("memory")["used_memory"] + ROOM_BYTES)
    time.sleep(scene.rng.uniform(1.0, 4.0))  # sometimes longer than the time to live of a heartbeat
    redis.config_set("maxmemory", 0)
    scene.record.mark()


OUTAGES = (
    Drill(name="kill-worker", since="the kill", strike=kill_worker),
    Drill(name="term-worker", since="the signal", strike=term_worker),
    Drill(name="stop-worker", since="the stop", strike=stop_worker),
    Drill(name="restart-redis", since="Redis being back", strike=restart_redis),
    Drill(name="cut-connections", since="the cut", strike=cut_connections),
    Drill(name="slow-redis", since="the last pause", strike=slow_redis),
    Drill(name="kill-api", since="the kill", strike=kill_api, apis=2),
    Drill(name="full-redis", since="room again", strike=full_redis),
)
