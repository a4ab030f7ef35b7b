"""Heartbeats of workers that do not exist."""

from typing import Any

import orjson

from shared.contract.heartbeat import HEARTBEAT_CODEC, LiveWorker, LoaderState, Recent, VersionState
from shared.contract.lane import LANES
from shared.redis import keys
from shared.redis.clients import SyncClient
from shared.telemetry.prometheus import BATCH_IMAGES, SECONDS

NOTHING_LOADED = LoaderState(engines=1, models={}, loading_model=None, failed_models={}, wanted_models=[])


def live_worker(name: str = "w1", *refs: str, images_per_s: int = 1000, **fields: Any) -> LiveWorker:
    """An idle worker with `refs` loaded; `fields` replace those of its heartbeat."""
    version = VersionState(
        engine="litert",
        batch_images=32,
        batch_limit_images=32,
        images_per_s=images_per_s,
        batch_ms={},
        measured_as="",
        idle_s=0.0,
        memory_bytes=None,
    )
    no_times = [0] * (len(SECONDS) + 1)
    idle: dict[str, Any] = {
        "name": name,
        "pid": 1,
        "started_s": 0.0,
        "recent_images_per_s": 0.0,
        "recent": Recent(
            seconds=2.5,
            batches=0,
            images=0,
            batch_images=[0] * (len(BATCH_IMAGES) + 1),
            model_s=no_times,
            queue_s=dict.fromkeys(LANES, no_times),
        ),
        "entry_formats": [1, 2],
        "batches": 0,
        "images": 0,
        "failed": 0,
        "takeovers": 0,
        "metrics": "",
        "last_batch": None,
        "engines": 1,
        "models": dict.fromkeys(refs, version),
        "loading_model": None,
        "failed_models": {},
        "wanted_models": [],
    }
    return LiveWorker(**(idle | fields))


def write_heartbeat(client: SyncClient, name: str, **changes: Any) -> None:
    """Write a heartbeat of `cnn@1` with other fields, as a worker of another release may."""
    heartbeat = orjson.loads(HEARTBEAT_CODEC.encode(live_worker(name, "cnn@1"))) | changes
    client.execute_command("ZADD", keys.WORKERS, client.time()[0], name)
    client.set(keys.worker(name), orjson.dumps(heartbeat))
