"""Model registries for tests: the published one, copies of `cnn@1` as other versions with or without a report, and
heartbeats of workers that do not exist.
"""

import shutil
import time
from pathlib import Path

import orjson
import redis

from shared.contract.heartbeat import HEARTBEAT_CODEC
from shared.models.registry import load_version
from shared.redis import keys
from tests.support.heartbeats import live_worker
from tests.support.processes import ROOT, wait_until
from tests.support.system import System

DEFAULT = load_version(ROOT / "models", "cnn")  # serves requests that name no model
FAILURE = "recall: 8 is read in 10 % of its images, at least 98 % are wanted"


def copy_version(models_dir: Path, version: int, passed: bool | None = True, name: str = "cnn") -> Path:
    """Copy `cnn@1` as another version, atomically like `publish`. It has no report if `passed` is None."""
    target = models_dir / name / str(version)
    staged = models_dir / ".staged" / name / str(version)
    shutil.copytree(ROOT / "models" / "cnn" / "1", staged)
    for file in staged.glob("report.*"):
        file.unlink()
    card = orjson.loads((staged / "model.json").read_bytes()) | {"name": name, "version": version}
    (staged / "model.json").write_bytes(orjson.dumps(card))
    if passed is not None:
        report = {"passed": passed, "files": card["files"], "failures": [] if passed else [FAILURE]}
        (staged / "report.json").write_bytes(orjson.dumps(report))
    target.parent.mkdir(parents=True, exist_ok=True)
    return staged.rename(target)


def write_heartbeat(client: "redis.Redis", worker: str, *refs: str, age_s: float = 0.0) -> None:
    """Write the heartbeat of a worker that does not exist, with `refs` loaded."""
    client.zadd(keys.WORKERS, {worker: time.time() - age_s})
    client.set(keys.worker(worker), HEARTBEAT_CODEC.encode(live_worker(worker, *refs)), ex=60)


def clear_aliases(system: System) -> None:
    """Delete all aliases, changes and desired versions, and wait until the API knows."""
    system.redis.delete(keys.ALIASES, keys.CHANGES, keys.DESIRED)
    system.redis.publish(keys.ALIASES_CHANNEL, "all")
    wait_until(lambda: not system.http.get("/models/cnn").json()["aliases"], "no aliases")
