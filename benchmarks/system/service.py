"""The real service: Redis, the API and workers, on free ports."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import orjson

from benchmarks.load.http_call import call
from benchmarks.system.processes import BIN, ROOT, Process
from deploy.processes import free_port
from deploy.redis_server import find_redis_server, redis_command
from mnistified import Client

CLASSIFY = "/mnist/classify"
READY_S = 60.0


class Service:
    """`processes` by name: redis, api, worker-1, …"""

    def __init__(self, port: int, redis_port: int, processes: dict[str, Process], client: Client) -> None:
        self.port = port
        self.redis_port = redis_port
        self.processes = processes
        self.client = client

    @property
    def workers(self) -> int:
        return sum(name.startswith("worker") for name in self.processes)

    def reset_peaks(self) -> None:
        for process in self.processes.values():
            process.reset_peak()

    def peaks_mib(self) -> dict[str, float]:
        return {name: round(process.peak_mib(), 1) for name, process in self.processes.items()}

    def rss_mib(self) -> dict[str, float]:
        return {name: round(process.rss_mib(), 1) for name, process in self.processes.items()}

    def cpu_s(self) -> dict[str, float]:
        return {name: process.cpu_s() for name, process in self.processes.items()}


@contextmanager
def running(
    log_dir: Path, workers: int = 1, environ: Mapping[str, str] | None = None, ready_s: float = READY_S
) -> Iterator[Service]:
    """Run the service with the settings `environ` until the end of the block.

    Raises BenchmarkError, for example if the service is not ready within `ready_s`.
    """
    with ExitStack() as stack:
        data_dir = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-redis-")))
        redis_port, api_port = free_port(), free_port()
        settings = {
            **os.environ,
            "REDIS_URL": f"redis://127.0.0.1:{redis_port}/0",
            "API_HOST": "127.0.0.1",
            "API_PORT": str(api_port),
            "MODELS_DIR": str(ROOT / "models"),
            "LOG_LEVEL": "warning",
            **(environ or {}),
        }
        commands = {"redis": redis_command(find_redis_server(), redis_port, data_dir)}
        commands["api"] = [str(BIN / "python"), "-m", "api"]
        for number in range(1, workers + 1):
            commands[f"worker-{number}"] = worker_command(f"worker-{number}")
        processes: dict[str, Process] = {}
        for name, command in commands.items():
            processes[name] = stack.enter_context(Process(name, command, settings, log_dir))
        for process in processes.values():
            process.wait_until(lambda: _workers_ready(api_port) == workers, ready_s)
        client = Client(f"http://127.0.0.1:{api_port}", key="", timeout_s=120.0, retries=0, trust_env=False)
        yield Service(api_port, redis_port, processes, stack.enter_context(client))


def worker_command(name: str) -> list[str]:
    """Return the command of the Procfile, for packages in any folder."""
    command = [
        str(BIN / "python"),
        "-m",
        "celery",
        "-A",
        "worker.app",
        "worker",
        "--pool",
        "solo",
        "--hostname",
        f"{name}@%h",
    ]
    return [*command, "--loglevel", "warning", "--without-mingle", "--without-gossip"]


def _workers_ready(port: int) -> int:
    """Return how many workers the API knows, 0 while it does not answer."""
    try:
        status, content = call(port, "GET", "/readyz", timeout_s=5)
    except OSError:
        return 0
    return int(orjson.loads(content)["workers"]) if status == 200 else 0
