"""What loading a version adds to a process's memory, measured in a process of its own.

Run as `python -m training.qa.checks.memory DIRECTORY ENGINE THREADS`, it prints that in MiB.
"""

import re
import resource
import subprocess
import sys
from importlib import import_module
from pathlib import Path

from shared.data.dataset import REPOSITORY
from shared.models.registry import ModelVersion
from training.qa.bounds import Bounds
from training.qa.report.report import Check
from worker.engine import EngineKind, load_engine

MIB = 1 << 20
TIMEOUT_S = 300.0


def check_memory(version: ModelVersion, kind: EngineKind, threads: int, limits: Bounds) -> Check:
    """Blocks for the seconds that starting an interpreter and loading an engine take."""
    command = [sys.executable, "-m", __name__, str(version.directory.resolve()), kind, str(threads)]
    try:
        told = subprocess.run(  # noqa: S603, our own interpreter and module
            command, cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=TIMEOUT_S
        )
    except subprocess.SubprocessError as error:
        return Check("memory", False, f"loading it in a process of its own failed: {error}")
    mib = float(told.stdout)
    return Check(
        "memory",
        mib <= limits.memory_mib,
        f"loading it and warming every batch size adds {mib:.0f} MiB to a fresh process",
        mib,
        limits.memory_mib,
        "at_most",
        "MiB",
    )


def peak_bytes() -> int:
    """The most memory that this process has had so far. On Linux `getrusage` would count its parent's."""
    status = Path("/proc/self/status")
    if status.is_file():
        return int(re.findall(r"^VmHWM:\s*(\d+) kB$", status.read_text(), re.MULTILINE)[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # macOS gives bytes


def main() -> None:
    directory, kind, threads = sys.argv[1:]
    runtime: EngineKind = "tensorflow" if kind == "tensorflow" else "litert"
    # The runtime's own library is there whatever version is loaded.
    import_module(f"worker.engine.{runtime}")
    before = peak_bytes()
    load_engine(runtime, Path(directory), int(threads))
    print((peak_bytes() - before) / MIB)


if __name__ == "__main__":
    main()
