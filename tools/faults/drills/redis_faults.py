"""Drills with a Redis that refuses commands, deletes images or is slow: no process may exit, and `/readyz` says so."""

import signal
import time
from collections.abc import Callable

from tests.support.processes import wait_until
from tools.faults.drills.readiness import expect_ready, expect_recovery, expect_unready
from tools.faults.drills.scene import Drill, Scene

EVICTED_BYTES = 1 << 20  # memory that an evicting Redis has to free at once
LOAD_DELAY_US = 60  # per command of the append-only file
SYNC_S = 20.0
MARGIN_S = 0.5  # before the end of a script, in which no answer is checked


def refusing(code: str) -> Callable[[Scene], None]:
    """Return a strike: Redis refuses commands with this error for some seconds."""

    def strike(scene: Scene) -> None:
        with scene.service.redis_server.conditions()[code]():
            expect_unready(scene, scene.rng.uniform(0.5, 4.0))
        recover(scene)

    return strike


def run_script(scene: Scene) -> None:
    """Keep Redis busy with a script."""
    for_s = scene.rng.uniform(1.0, 4.0)
    with scene.service.redis_server.busy(for_s):
        expect_unready(scene, for_s - MARGIN_S)
    recover(scene)


def load_slowly(scene: Scene) -> None:
    """Kill Redis, and start it again with data that take long to load."""
    server = scene.service.redis_server
    server.process.signal(signal.SIGKILL)
    server.process.wait()
    server.start("--key-load-delay", str(LOAD_DELAY_US))
    while "Ready to accept connections" not in server.process.output:
        expect_unready(scene, 0.0)
        time.sleep(0.05)
    recover(scene)


def fail_over(scene: Scene) -> None:
    """Turn the master into a replica that keeps its connections, and then promote the standby at the same address."""
    service = scene.service
    master, standby = service.redis_server, service.standby()
    master.admin.client_pause(round(SYNC_S * 1e3), all=False)  # so that no write is lost
    written = master.admin.info("replication")["master_repl_offset"]
    wait_until(
        lambda: standby.admin.info("replication")["master_repl_offset"] >= written, "the standby has all writes", SYNC_S
    )
    master.be_replica(standby.port)
    master.admin.client_unpause()
    expect_unready(scene, scene.rng.uniform(0.2, 2.0))
    standby.be_master()
    service.promote_standby()
    recover(scene)


def flush(scene: Scene) -> None:
    """Delete everything. What was accepted before is gone, and nothing else."""
    with scene.record.forgiving():
        scene.service.redis.flushall()
    recover(scene)


def evict(scene: Scene) -> None:
    """Let Redis delete accepted images, which it may do until its policy is corrected."""
    redis = scene.service.redis
    with scene.record.forgiving():
        redis.config_set("maxmemory-policy", "allkeys-lru")
        redis.config_set("maxmemory", redis.info("memory")["used_memory"] - EVICTED_BYTES)
        expect_unready(scene, scene.rng.uniform(0.5, 3.0))
        redis.config_set("maxmemory", 0)
        redis.config_set("maxmemory-policy", "noeviction")
    recover(scene)


def slow_network(scene: Scene) -> None:
    proxy = scene.service.proxy
    assert proxy is not None
    for _ in range(scene.rng.randint(2, 4)):
        proxy.delay_s = scene.rng.uniform(0.005, 0.03)  # a worker's heartbeat takes dozens of round trips
        expect_ready(scene, scene.rng.uniform(0.3, 1.0))
    proxy.delay_s = 0.0
    scene.record.mark()


def recover(scene: Scene) -> None:
    scene.record.mark()
    expect_recovery(scene)


REDIS_FAULTS = (
    Drill(name="failover", since="the promotion", strike=fail_over, proxied=True, survives=True),
    Drill(name="full-disk", since="room again", strike=refusing("MISCONF"), survives=True),
    Drill(name="few-replicas", since="writes again", strike=refusing("NOREPLICAS"), survives=True),
    Drill(name="busy-redis", since="the script's end", strike=run_script, survives=True),
    Drill(name="loading-redis", since="Redis being back", strike=load_slowly, survives=True),
    Drill(name="flush", since="the deletion", strike=flush, survives=True),
    Drill(name="evicting-redis", since="the right policy", strike=evict, survives=True),
    Drill(name="slow-network", since="the end of the delays", strike=slow_network, proxied=True, survives=True),
)
