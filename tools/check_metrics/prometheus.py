"""A real Prometheus with its own port and folder."""

import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from deploy.processes import free_port
from tests.support.processes import Process
from tools.check_metrics.rules import ALERTS_FILE, LOCAL_FILE, local_config, shortened

READY_S = 30
INTERVAL = "1s"
PENDING_S = 2  # limit for every alert's `for`

Labels = tuple[tuple[str, str], ...]


def is_installed() -> bool:
    return bool(shutil.which("prometheus") and shutil.which("promtool"))


def promtool(*arguments: str) -> str:
    """Run promtool and return its output. Raises AssertionError if it fails."""
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class Prometheus:
    """A Prometheus that scrapes `apis` (`host:port`) and the workers that the first API lists. The `with` ends it."""

    def __init__(self, folder: Path, apis: list[str]) -> None:
        rules_file, config_file = folder / "alerts.yml", folder / "prometheus.yml"
        rules_file.write_text(shortened(ALERTS_FILE.read_text(), PENDING_S))
        config_file.write_text(local_config(LOCAL_FILE.read_text(), apis, rules_file, INTERVAL))
        promtool("check", "config", str(config_file))
        port = free_port()
        self._http = httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", timeout=10)
        self._process = Process(
            [
                "prometheus",
                f"--config.file={config_file}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            {},
        )
        self._process.wait_for_line("Server is ready to receive web requests", READY_S)
        self.started_s = time.time()

    def __enter__(self) -> "Prometheus":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._http.close()
        self._process.stop()

    def series(self, expr: str, start_s: float, end_s: float, step_s: float) -> dict[Labels, list[tuple[float, float]]]:
        """Return (unix time, value) of each series by labels, between two unix times, without NaN."""
        result = self._query("query_range", query=expr, start=start_s, end=end_s, step=step_s)
        return {
            tuple(sorted(one["metric"].items())): [
                (time_s, float(value)) for time_s, value in one["values"] if value != "NaN"
            ]
            for one in result["result"]
        }

    def firing(self) -> set[str]:
        """Return the names of the firing alerts."""
        return {one["labels"]["alertname"] for one in self._query("alerts")["alerts"] if one["state"] == "firing"}

    def targets_up(self) -> dict[str, int]:
        """Return the number of healthy targets by job."""
        up: dict[str, int] = {}
        for one in self._query("targets", state="active")["activeTargets"]:
            up[one["labels"]["job"]] = up.get(one["labels"]["job"], 0) + (one["health"] == "up")
        return up

    def _query(self, what: str, **parameters: Any) -> Any:
        reply = self._http.get(what, params=parameters).json()
        assert reply["status"] == "success", reply
        return reply["data"]
