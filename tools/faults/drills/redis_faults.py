"""Drills with a Redis that refuses commands, deletes images or is slow: no process may exit, and `/readyz` says so."""

import signal
import time
from collections.abc import Callable

import httpx

from tests.support.processes import wait_until
from tools.faults.account import wrong
from tools.faults.drills.scene import Drill, Scene

EVICTED_BYTES = 1 << 20  # memory that an evicting Redis has to free at once
LOAD_DELAY_US = 60  # per command of the append-only file
SYNC_S = 20.0
MARGIN_S = 0.5  # before the end of a script, in which no answer is checked
READY_POLL_S = 0.05
READY_S = 15.0


def expect_unready(scene: Scene, for_s: float) -> None:
    """Poll for `for_s` while Redis refuses commands: each answer must be a 503 that says so."""
    deadline_s = time.monotonic() + for_s
    while time.monotonic() < deadline_s:
        for url in scene.service.urls:
            if (complaint := complaint_of(ask(url))) and time.monotonic() < deadline_s:
                scene.record.add(wrong(f"/readyz during the fault: {complaint}"))
                return
        time.sleep(READY_POLL_S)


def expect_ready(scene: Scene, for_s: float) -> None:
    """Poll for `for_s` while Redis answers, although slowly: each answer must be a 200."""
    deadline_s = time.monotonic() + for_s
    while time.monotonic() < deadline_s:
        for url in scene.service.urls:
            if (reply := ask(url)).status_code != 200:
                scene.record.add(wrong(f"/readyz without a fault: {reply.text}"))
                return
        time.sleep(READY_POLL_S)


def expect_recovery(scene: Scene) -> None:
    """Wait until every API is ready again by itself."""
    deadline_s = time.monotonic() + READY_S
    for url in scene.service.urls:
        while (reply := ask(url)).status_code != 200:
            if time.monotonic() > deadline_s:
                scene.record.add(wrong(f"/readyz {READY_S:g} s after the fault: {reply.text}"))
                return
            time.sleep(READY_POLL_S)


def ask(url: str) -> httpx.Response:
    try:
        return httpx.get(f"{url}/readyz", timeout=10, trust_env=False)
    except httpx.TransportError as error:
        return httpx.Response(0, text=repr(error))


def complaint_of(reply: httpx.Response) -> str:
    if reply.status_code != 503:
        return f"{reply.status_code}: {reply.text}"
    if reply.headers["content-type"] != "application/problem+json" or "retry-after" not in reply.headers:
        return f"no problem details with Retry-After: {reply.headers}"
    return "" if "Redis" in reply.json()["detail"] or "worker" in reply.json()["detail"] else reply.text


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
