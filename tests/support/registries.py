"""The registry that the tests run on, and registries of our own: `cnn@1` copied as other versions, judged or not, and
workers that are only heartbeats.
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
from tests.support.processes import ROOT

DEFAULT = load_version(ROOT / "models", "cnn")  # what answers where a request names no model
FAILURE = "recall: 8 is read in 10 % of its images, at least 98 % are wanted"


def copy_version(models_dir: Path, version: int, passed: bool | None = True, name: str = "cnn") -> Path:
    """`cnn@1` as another version, whole at once, as `publish` does it; without a report where `passed` is None."""
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
    """A heartbeat of a worker that is nowhere, with `refs` loaded."""
    client.zadd(keys.WORKERS, {worker: time.time() - age_s})
    client.set(keys.worker(worker), HEARTBEAT_CODEC.encode(live_worker(worker, *refs)), ex=60)
