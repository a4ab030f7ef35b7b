"""The floor (`benchmarks/floor/`): Redis, its API and its worker, on free ports."""

import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.load.http_call import answers_png
from benchmarks.system.processes import ROOT, Process
from benchmarks.system.service import CLASSIFY, READY_S, Service
from deploy.processes import free_port
from deploy.redis_server import find_redis_server, redis_command
from mnistified import Client


@contextmanager
def floor_running(log_dir: Path, model: str, png: bytes) -> Iterator[Service]:
    """Run the floor with the first network of a version until the end of the block. Its API has only one route.

    Raises BenchmarkError, for example if it does not answer `png` within READY_S.
    """
    name, _, version = model.partition("@")
    with ExitStack() as stack:
        data_dir = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-redis-")))
        redis_port, port = free_port(), free_port()
        processes: dict[str, Process] = {}

        def start(process: str, *command: object) -> None:
            processes[process] = stack.enter_context(Process(process, list(map(str, command)), os.environ, log_dir))

        start("redis", *redis_command(find_redis_server(), redis_port, data_dir))
        processes["redis"].wait_until(lambda: _answers(redis_port), READY_S)
        network = ROOT / "models" / name / version / "model.tflite"
        start("api", sys.executable, "-m", "benchmarks.floor.api", redis_port, port)
        start("worker-1", sys.executable, "-m", "benchmarks.floor.worker", redis_port, network)
        for process in processes.values():
            process.wait_until(lambda: answers_png(port, CLASSIFY, png, timeout_s=5), READY_S)
        client = Client(f"http://127.0.0.1:{port}", key="", retries=0, trust_env=False)
        yield Service(port, redis_port, processes, stack.enter_context(client))


def _answers(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0
