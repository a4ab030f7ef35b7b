"""The whole service as real processes on free ports: Redis, the API, workers."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import redis

from deploy.processes import free_port
from deploy.redis_server import find_redis_server, redis_command
from tests.support.api_in_process import ApiThread
from tests.support.processes import BIN, ROOT, Process, start_celery, wait_until

READY_S = 60
READY = " ready."
DATABASES = 64
SMALL = {"DEFAULT_MODEL": "cnn-small"}  # settings of tests to which the model does not matter: it loads sooner


class RedisServer:
    """A Redis with its data in `data_dir`. Each test system uses another database of it."""

    def __init__(self, data_dir: Path, *options: str) -> None:
        self.port = free_port()
        self._command = [
            *redis_command(find_redis_server(), self.port, data_dir),
            "--databases",
            str(DATABASES),
            *options,
        ]
        self._databases = iter(range(1, DATABASES))
        self.start()

    def start(self) -> None:
        self.process = Process(self._command, {})
        self.process.wait_for_line("Ready to accept connections")

    def new_url(self) -> str:
        """Return the URL of an unused database. The caller closes its clients."""
        return f"redis://127.0.0.1:{self.port}/{next(self._databases)}"


class System:
    """One database, one API, any number of workers. An API in a thread starts sooner, and has no `api`, its process."""

    api: Process

    def __init__(self, redis_url: str, environ: dict[str, str] | None = None, api_in_thread: bool = False) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.redis_url = redis_url
        self.environ = {
            "REDIS_URL": redis_url,
            "API_PORT": str(self.port),
            "MODELS_DIR": str(ROOT / "models"),
            "ENGINE_THREADS": "1",
            "MAX_BATCH_IMAGES": "32",  # the calibration of larger batches takes a third of a worker's start
            **(environ or {}),
        }
        self.workers: dict[str, Process] = {}
        self._celery: list[Process] = []
        self._api_thread = ApiThread(self.environ) if api_in_thread else None
        if not api_in_thread:
            self.api = self.start_api()
        self.http = httpx.Client(base_url=self.url, timeout=60)
        self.redis = redis.Redis.from_url(redis_url)

    def start_api(self, port: int | None = None) -> Process:
        """Start an API process on `port`, by default the system's, and wait until it is ready."""
        environ = {**self.environ, "API_PORT": str(port or self.port)}
        process = Process([str(BIN / "python"), "-m", "api"], environ)
        process.wait_for_line("Application startup complete", READY_S)
        return process

    def start_worker(self, name: str, environ: dict[str, str] | None = None, line: str = READY) -> Process:
        """Start a Celery worker for inference, and wait until it prints `line`, by default that it is ready."""
        self.workers[name] = self._start_celery("worker.app", name, "solo", environ, line)
        return self.workers[name]

    def start_tasks_worker(self, environ: dict[str, str] | None = None) -> Process:
        """Start a Celery worker for ordinary tasks, and wait until it is ready."""
        return self._start_celery("worker.tasks.app", "tasks", "threads --concurrency 32", environ)

    def start_trainer(self, environ: dict[str, str] | None = None, line: str = READY) -> Process:
        """Start a Celery worker for trainings, and wait for `line`. It has no lower priority than others."""
        environ = {"TRAINER_NICE": "0", **(environ or {})}
        return self._start_celery("worker.tasks.trainer", "trainer", "threads --concurrency 1", environ, line)

    def _start_celery(
        self, app: str, name: str, pool: str, environ: dict[str, str] | None, line: str = READY
    ) -> Process:
        options = f"worker --pool {pool} --hostname {name}@%h --loglevel info --without-mingle --without-gossip"
        process = start_celery(*options.split(), environ={**self.environ, **(environ or {})}, app=app)
        self._celery.append(process)
        process.wait_for_line(line, READY_S)
        return process

    def wait_until_ready(self, workers: int = 1) -> None:
        """Wait until the API reports this number of workers."""
        http = self.http
        wait_until(lambda: len(http.get("/status").json()["workers"]) == workers, f"{workers} workers", READY_S)

    def submit(self, **request: Any) -> str:
        """Send a bulk request, and return the id of its job."""
        reply = self.http.post("/mnist/classify/bulk", **request)
        assert reply.status_code == 202, reply.text
        job_id: str = reply.json()["id"]
        assert reply.headers["location"] == f"/results/{job_id}"
        return job_id

    def finished(self, job_id: str, wait_s: float = 60) -> dict[str, Any]:
        """Wait for the final state of a job, and return it."""
        job: dict[str, Any] = self.http.get(f"/results/{job_id}", params={"wait": wait_s}).json()
        assert job["eta_s"] == 0.0, f"not final within {wait_s} s: {job}"
        return job

    def items(self, job_id: str) -> list[dict[str, Any]]:
        """Return every item of a job, read page by page."""
        items: list[dict[str, Any]] = []
        url = f"/results/{job_id}/items?limit=10000"
        while url:
            page = self.http.get(url).json()
            items += page["items"]
            url = page["next"]
        return items

    def close(self) -> None:
        """Kill all processes: a warm shutdown takes a second, and has its own tests."""
        self.http.close()
        self.redis.close()
        for process in [*self._celery, *self.workers.values(), *([] if self._api_thread else [self.api])]:
            process.kill()
        if self._api_thread:
            self._api_thread.stop()


@contextmanager
def running(
    redis_url: str, workers: int = 1, environ: dict[str, str] | None = None, api_in_thread: bool = False
) -> Iterator[System]:
    """Yield a system with `workers` ready workers, and stop it at the end."""
    system = System(redis_url, environ, api_in_thread)
    try:
        for number in range(1, workers + 1):
            system.start_worker(f"worker-{number}")
        if workers:
            system.wait_until_ready(workers)
        yield system
    finally:
        system.close()
