"""The machine that the figures were measured on."""

import os
import platform
import time
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("ai-edge-litert", "celery", "hiredis", "numpy", "orjson", "pillow", "redis", "starlette", "uvicorn")
MIB = 1 << 20


def describe_machine() -> dict[str, Any]:
    """Return CPU, cores, memory, Python, package versions and the date."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_mib": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // MIB,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def busy_cores(seconds: float = 1.0) -> float:
    """Return how many cores are busy, or taken by the host of a virtual machine, during the next `seconds`."""
    before_s = _busy_s()
    time.sleep(seconds)
    return (_busy_s() - before_s) / seconds


def _busy_s() -> float:
    user, nice, system, _, _, irq, softirq, steal, *_ = map(int, Path("/proc/stat").read_text().split()[1:11])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
