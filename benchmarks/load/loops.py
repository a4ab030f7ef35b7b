"""Load on one route: closed loops by `wrk`, or by our own client if `wrk` is missing, and open loops by our own."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.report.results import Load, OpenLoad
from benchmarks.system.processes import ROOT, BenchmarkError

SCRIPT = Path(__file__).parent / "wrk.lua"
WRK_THREADS = 1  # more would take cores from the service
TIMEOUT_S = 60  # per request
MARK = "RESULT "


class RunningLoad:
    """A closed loop that runs in a process of its own."""

    def __init__(self, port: int, path: str, files: list[Path], connections: int, seconds: float) -> None:
        self._connections = connections
        self.tool = "wrk" if shutil.which("wrk") else "benchmarks.load.client"
        make = wrk_command if self.tool == "wrk" else client_command
        self.process = subprocess.Popen(  # noqa: S603  # our own command
            make(port, path, files, connections, seconds),
            cwd=ROOT,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def finish(self) -> Load:
        """Wait for the end and return the figures. Raises BenchmarkError if the loop measured nothing."""
        output, errors = self.process.communicate()
        try:
            if self.tool == "wrk":
                return parse_wrk(output, self._connections)
            return parse_client(output, self._connections)
        except (ValueError, KeyError) as error:
            raise BenchmarkError(f"{self.tool}, {self._connections} connections: {error}\n{output}{errors}") from error


@contextmanager
def closed_loop(port: int, path: str, files: list[Path], connections: int, seconds: float) -> Iterator[RunningLoad]:
    """Start a loop on entering, and end it on leaving at the latest."""
    load = RunningLoad(port, path, files, connections, seconds)
    try:
        yield load
    finally:
        if load.running:
            load.process.kill()
        load.process.communicate()


def stop_early(load: RunningLoad) -> None:
    """End a loop before its time. The answers until now count."""
    load.process.send_signal(signal.SIGINT)


def open_loop(port: int, path: str, files: list[Path], rate_per_s: float, seconds: float, share: float) -> OpenLoad:
    """Send requests at a fixed rate, which is `share` of the capacity."""
    command = [*client_command(port, path, files, 256, seconds), "--rate-per-s", str(rate_per_s)]
    result = run_json(command, timeout_s=seconds + TIMEOUT_S)
    return OpenLoad(
        share_of_capacity=share,
        wanted_per_s=rate_per_s,
        achieved_per_s=result["accepted"] / result["seconds"],
        failed=_failures(result),
        p50_ms=result["p50_ms"],
        p99_ms=result["p99_ms"],
        late_p99_ms=result["late_p99_ms"],
    )


def run_json(command: list[str], timeout_s: float) -> Any:
    """Run a command of ours and return the JSON that it prints. Raises BenchmarkError if the command fails."""
    done = subprocess.run(  # noqa: S603  # our own command
        command, cwd=ROOT, capture_output=True, text=True, timeout=timeout_s, check=False
    )
    if done.returncode:
        raise BenchmarkError(f"{' '.join(command[:4])} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def wrk_command(port: int, path: str, files: list[Path], connections: int, seconds: float) -> list[str]:
    url = f"http://127.0.0.1:{port}{path}"
    options = ["-t", str(WRK_THREADS), "-c", str(connections), "--timeout", f"{TIMEOUT_S}s"]
    return ["wrk", *options, "-d", f"{max(1, round(seconds))}s", "-s", str(SCRIPT), url, "--", *map(str, files)]


def client_command(port: int, path: str, files: list[Path], connections: int, seconds: float) -> list[str]:
    command = [sys.executable, "-m", "benchmarks.load.client", "--port", str(port), "--path", path]
    return [*command, "--seconds", str(seconds), "--connections", str(connections), *map(str, files)]


def parse_wrk(output: str, connections: int) -> Load:
    """Read the line of `wrk.lua`. Raises ValueError if the line is missing or no request was answered."""
    line = next((line for line in output.splitlines() if line.startswith(MARK)), None)
    if line is None:
        raise ValueError("it printed no result")
    result = json.loads(line.removeprefix(MARK))
    return _load(
        requests=result["requests"] - result["status"],
        failed=result["status"] + result["socket"] + result["timeout"],
        seconds=result["duration_us"] / 1e6,
        p50_ms=result["p50_us"] / 1e3,
        p99_ms=result["p99_us"] / 1e3,
        connections=connections,
        tool="wrk",
    )


def parse_client(output: str, connections: int) -> Load:
    result = json.loads(output)
    return _load(
        requests=result["accepted"],
        failed=_failures(result),
        seconds=result["seconds"],
        p50_ms=result["p50_ms"],
        p99_ms=result["p99_ms"],
        connections=connections,
        tool="benchmarks.load.client",
    )


def _failures(result: dict[str, Any]) -> int:
    """Return how many requests were refused or failed."""
    return sum([*result["refused"].values(), *result["failed"].values()])


def _load(**figures: Any) -> Load:
    if figures["requests"] <= 0:
        raise ValueError(f"no request was answered: {figures['failed']} failed")
    return Load(**figures)
