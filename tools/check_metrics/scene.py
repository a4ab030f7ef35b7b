"""A service of real processes under load, two APIs and two workers, with its status and metrics."""

import shutil
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from deploy.processes import free_port
from shared.data.dataset import Split
from tests.support.processes import ROOT
from tests.support.system import RedisServer, System
from tests.support.uploads import image_file, npy
from tests.worker.support.registry_of import publish, publish_broken

MAX_QUEUED_BULK_IMAGES = 15_000  # less than the default, so that the lane fills within seconds
JOB_IMAGES = 500
SINGLES_PAUSE_S = 0.02
JOBS_PAUSE_S = 1.0
BROKEN = "broken@1"

Samples = list[tuple[str, dict[str, str], float]]


class Scene:
    """A service under load. `workers` are those of `system`, by name. Both APIs get load until the `with` ends."""

    def __init__(self, folder: Path, test_set: Split) -> None:
        for name in ("redis", "models"):
            (folder / name).mkdir()
        models_dir = folder / "models"
        for name in ("cnn", "cnn-small"):
            shutil.copytree(ROOT / "models" / name, models_dir / name)
        publish(models_dir, "cnn@2")
        publish_broken(models_dir, BROKEN)
        self.redis_server = RedisServer(folder / "redis", "--maxmemory", "1gb")
        environ = {
            "MODELS_DIR": str(models_dir),
            "MAX_QUEUED_BULK_IMAGES": str(MAX_QUEUED_BULK_IMAGES),
            "METRICS_PORT": str(free_port()),
            "LOG_LEVEL": "info",
        }
        self.system = System(self.redis_server.new_url(), environ)
        self._second_port = free_port()
        self.start_second_api()
        for name in ("worker-1", "worker-2"):
            self.system.start_worker(name)
        self.system.wait_until_ready(2)
        changed = self.system.http.post("/models/cnn/aliases/champion", json={"version": 1, "shadow": 2})
        assert changed.status_code == 200, changed.text
        self._pngs = [image_file(image) for image in test_set.images[:100]]
        self.images = test_set.images
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=self._send_singles, args=(number,)) for number in range(2)]
        self._threads.append(threading.Thread(target=self._send_jobs))

    @property
    def apis(self) -> list[str]:
        """Return the addresses as `host:port`."""
        return [f"127.0.0.1:{self.system.port}", f"127.0.0.1:{self._second_port}"]

    def __enter__(self) -> "Scene":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()
        for worker in self.system.workers.values():
            worker.signal(9)  # type: ignore[arg-type]  # a stopped process would not react to TERM
        self.second_api.stop()
        self.system.close()
        self.redis_server.process.stop()

    def status(self) -> tuple[int, dict[str, Any]]:
        """Return status code and content of `/status`, with code 0 if the API does not answer."""
        try:
            reply = httpx.get(f"{self.system.url}/status", timeout=5)
        except httpx.TransportError:
            return 0, {}
        return reply.status_code, reply.json()

    def metrics(self, workers: bool = False) -> Samples:
        """Return the metrics of the first API, with `workers` also those of the workers that answer."""
        urls = [f"{self.system.url}/metrics"]
        if workers:
            found = httpx.get(f"{self.system.url}/metrics/workers", timeout=5).json()
            urls += [f"http://{target}/metrics" for one in found for target in one["targets"]]
        return [sample for url in urls for sample in _samples(url)]

    def start_worker(self, name: str) -> None:
        self.system.start_worker(name)

    def start_second_api(self) -> None:
        self.second_api = self.system.start_api(self._second_port)

    def submit_images(self, images: "np.ndarray") -> httpx.Response:
        return httpx.post(f"{self.system.url}/mnist/classify/bulk", content=npy(images), timeout=60)

    def _send_singles(self, number: int) -> None:
        with httpx.Client(base_url=f"http://{self.apis[number]}", timeout=40) as http:
            sent = 0
            while not self._ending.wait(SINGLES_PAUSE_S):
                sent += 1
                try:
                    http.post("/mnist/classify", content=self._pngs[sent % len(self._pngs)])
                except httpx.TransportError:
                    time.sleep(SINGLES_PAUSE_S)

    def _send_jobs(self) -> None:
        rng = np.random.default_rng(1)
        while not self._ending.wait(JOBS_PAUSE_S):
            try:
                self.submit_images(self.images[rng.integers(0, len(self.images), JOB_IMAGES)])
            except httpx.TransportError:
                continue


def value(samples: Samples, name: str, **labels: str) -> float:
    """Return the sum over all labels that are not given, 0 if there is no sample."""
    return sum(each for of, its, each in samples if of == name and labels.items() <= its.items())


def _samples(url: str) -> Samples:
    try:
        text = httpx.get(url, timeout=5).text
    except httpx.TransportError:
        return []
    return [
        (sample.name, sample.labels, sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    ]
