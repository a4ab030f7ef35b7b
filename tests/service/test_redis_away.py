"""Redis restarts: clients get a 503 at once, every process reconnects, and accepted images are not lost."""

import signal
from pathlib import Path

import pytest

from shared.data.dataset import Split
from tests.support.processes import wait_until
from tests.support.system import SMALL, RedisServer, running

pytestmark = pytest.mark.slow


def test_a_restart_of_redis_is_survived_and_loses_nothing(tmp_path: Path, test_set: Split) -> None:
    server = RedisServer(tmp_path)
    try:
        with running(server.new_url(), environ={**SMALL, "LEASE_MS": "1000"}) as system:
            system.workers["worker-1"].signal(signal.SIGSTOP)
            job_id = system.submit(json={"start": 0, "stop": 100})
            server.process.stop()
            system.workers["worker-1"].signal(signal.SIGCONT)

            for path in ("/mnist/classify/0", "/status", "/readyz", f"/results/{job_id}"):
                reply = system.http.get(path)
                assert reply.status_code == 503
                assert reply.headers["retry-after"] == "1"
                assert reply.elapsed.total_seconds() < 2
            assert system.http.get("/healthz").status_code == 200
            metrics = system.http.get("/metrics")
            assert metrics.elapsed.total_seconds() < 3
            assert "mnistified_redis_up 0.0" in metrics.text
            assert 'mnistified_refusals_total{reason="redis"}' in metrics.text
            assert "mnistified_fleet" not in metrics.text, "unknown values are left out"
            assert system.http.get("/mnist/label/0").status_code == 200, "a label needs no Redis"

            server.start()
            wait_until(lambda: system.http.get("/mnist/classify/0").status_code == 200, "API and worker find Redis")
            assert system.finished(job_id)["counts"]["done"] == 100
            items = system.items(job_id)
            right = sum(item["prediction"] == label for item, label in zip(items, test_set.labels[:100], strict=True))
            assert right > 95
            assert system.http.get("/mnist/classify/3").json()["prediction"] == test_set.labels[3]
    finally:
        server.process.stop()
