"""Engines of runtimes that tests make."""

from typing import Any

from worker.engine import Engine
from worker.engine.calibrate import Calibration
from worker.engine.stages.network import Network


def engine_of(runtime: Any, ms_of_size: dict[int, float]) -> Engine:
    """Return an engine of one network for ten labels. The largest size is the best one."""
    calibration = Calibration(ms_of_size, max(ms_of_size))
    return Engine([Network(runtime, calibration, outputs=10)], calibration)
