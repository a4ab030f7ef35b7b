"""The check of the memory that loading a version takes, measured in a separate process.

`python -m training.qa.checks.memory DIRECTORY ENGINE THREADS` is that process. It prints the memory in MiB.
"""

import re
import resource
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import cast

from shared.config.engine import KERAS_BACKENDS
from shared.data.dataset import REPOSITORY
from shared.models.registry import ModelVersion
from training.qa.bounds import Bounds
from training.qa.report.report import Check
from worker.engine import load_engine
from worker.engine.choose import EngineKind, select_backend

MIB = 1 << 20
TIMEOUT_S = 300.0


def check_memory(version: ModelVersion, kind: EngineKind, threads: int, limits: Bounds) -> Check:
    """Measure the memory in a new process. Blocks for the seconds that starting it and loading the engine take."""
    command = [sys.executable, "-m", __name__, str(version.directory.resolve()), kind, str(threads)]
    try:
        finished = subprocess.run(  # noqa: S603, our own interpreter and module
            command, cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=TIMEOUT_S
        )
    except subprocess.SubprocessError as error:
        return Check("memory", False, f"loading it in a separate process failed: {error}")
    mib = float(finished.stdout)
    return Check(
        "memory",
        mib <= limits.memory_mib,
        f"loading it and warming up every batch size adds {mib:.0f} MiB to a new process",
        mib,
        limits.memory_mib,
        "at_most",
        "MiB",
    )


def peak_bytes() -> int:
    """Return the peak memory of this process. On Linux, `getrusage` would include the parent's memory."""
    status = Path("/proc/self/status")
    if status.is_file():
        return int(re.findall(r"^VmHWM:\s*(\d+) kB$", status.read_text(), re.MULTILINE)[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # in bytes on macOS


def main() -> None:
    """Print how many MiB loading a version adds."""
    directory, engine, threads = sys.argv[1:]
    kind = cast(EngineKind, engine)
    # Import the runtime before measuring: its library does not count as memory of the version.
    if kind in KERAS_BACKENDS:
        select_backend(kind)
    import_module(f"worker.engine.{'keras' if kind in KERAS_BACKENDS else kind}")
    before = peak_bytes()
    load_engine(kind, Path(directory), int(threads))
    print((peak_bytes() - before) / MIB)


if __name__ == "__main__":
    main()
