"""The peers: how each is started, and its settings."""

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.load.http_call import answers_png
from benchmarks.peers.digits import ROUTE, Tuning
from benchmarks.system.engine import default_model_dir
from benchmarks.system.processes import BIN, ROOT, Process
from deploy.processes import free_port
from deploy.redis_server import find_redis_server, redis_command

READY_S = 120.0


@dataclass(frozen=True, slots=True)
class Peer:
    """`package` must be in the peers' environment. `batches`: it joins requests into batches, as we do."""

    name: str
    module: str
    package: str
    workers: int
    threads: int
    batch_images: int
    wait_ms: float
    batches: bool = True


# Chosen by hand on 2 cores from runs of 2 s, not from every combination.
# Mosec: 1 and 2 workers, 1 and 2 threads, batches of 1 to 128, waits from 1 ms, its minimum, to 5 ms. It waits until a
# batch is full, so small batches suit few connections.
# LitServe: 1 and 2 workers, 1 and 2 API servers, batches of 16 to 64, waits of 0 to 5 ms.
# BentoML: 1 and 2 workers and threads, latency bounds of 100 ms, which makes it refuse requests, to 10,000 ms.
# Ray Serve: 1 and 2 replicas, with and without its setting for throughput, waits of 0 and 5 ms.
# Celery: 2 processes only.
PEERS = (
    Peer("Mosec, batches of 16", "mosec_server", "mosec", 2, 1, 16, 1),
    Peer("Mosec, batches of 8", "mosec_server", "mosec", 2, 1, 8, 1),
    Peer("Mosec, no batches", "mosec_server", "mosec", 1, 1, 1, 1, batches=False),
    Peer("LitServe", "litserve_server", "litserve", 1, 1, 64, 0),
    Peer("BentoML", "bentoml_server", "bentoml", 2, 1, 64, 1_000),
    Peer("Ray Serve", "ray_server", "ray", 1, 1, 64, 0),
    Peer("a Celery task per image", "celery_server", "", 2, 1, 1, 0, batches=False),
    Peer("a model.predict per request", "predict_server", "", 1, 1, 1, 0, batches=False),
)


def installed_peers(venv: Path) -> list[Peer]:
    """Return the peers that can run: the plain alternatives, and the packages that `venv` has."""
    return [peer for peer in PEERS if not peer.package or any(venv.glob(f"lib/python3*/site-packages/{peer.package}"))]


@contextmanager
def serving(peer: Peer, venv: Path, png: bytes, log_dir: Path) -> Iterator[tuple[int, dict[str, Process]]]:
    """Start a peer, wait until it answers `png`, and yield (port, processes). Raises BenchmarkError."""
    with ExitStack() as stack:
        scratch = TemporaryDirectory(prefix="peer-", ignore_cleanup_errors=True)
        folder = Path(stack.enter_context(scratch))
        port = free_port()
        environ = peer_environ(peer, port, folder)
        processes: dict[str, Process] = {}
        if peer.module == "celery_server":
            processes |= start_celery(stack, peer, environ, folder, log_dir)
        python = (venv if peer.package else BIN.parent) / "bin" / "python"
        command = [str(python.absolute()), "-m", f"benchmarks.peers.{peer.module}"]
        server = stack.enter_context(Process("server", command, environ, log_dir))
        server.wait_until(lambda: answers_png(port, ROUTE, png, timeout_s=30), READY_S)
        yield port, processes | {"server": server}


def peer_environ(peer: Peer, port: int, folder: Path) -> dict[str, str]:
    """Return the peer's environment. Its home and temporary files go to `folder`."""
    tuning = Tuning(port, str(default_model_dir()), peer.workers, peer.threads, peer.batch_images, peer.wait_ms)
    return {
        **os.environ,
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "PYTHONPATH": str(ROOT),
        "PEER_TUNING": json.dumps(asdict(tuning)),
        # No network, no usage reports.
        "BENTOML_DO_NOT_TRACK": "True",
        "BENTOML_HOME": str(folder / "bentoml"),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "disabled",
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
    }


def start_celery(
    stack: ExitStack, peer: Peer, environ: dict[str, str], folder: Path, log_dir: Path
) -> dict[str, Process]:
    """Start a Redis and the worker; put the address into `environ`."""
    redis_port = free_port()
    environ["PEER_REDIS_URL"] = f"redis://127.0.0.1:{redis_port}/0"
    commands = {
        "redis": redis_command(find_redis_server(), redis_port, folder),
        "worker": [
            *(str(BIN / "celery"), "-A", "benchmarks.peers.celery_tasks", "worker", "--loglevel", "warning"),
            *("--pool", "prefork", "--concurrency", str(peer.workers)),
            *("--without-mingle", "--without-gossip", "--without-heartbeat"),
        ],
    }
    return {name: stack.enter_context(Process(name, command, environ, log_dir)) for name, command in commands.items()}
