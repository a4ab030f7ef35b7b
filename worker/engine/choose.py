"""The choice of the runtime. Importing this file imports no runtime."""

import os
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Literal, cast

from shared.config.engine import check_engine_installed, installed_backends
from shared.errors import SettingError

EngineKind = Literal["litert", "onnx", "jax", "tensorflow"]  # the last two are backends of Keras


def choose_kind(engine: str) -> EngineKind:
    """Resolve the setting ENGINE.

    `keras` is the installed backend that sees a GPU, or else the first installed one. `auto` is the backend that sees a
    GPU, or else LiteRT. Raises SettingError if ENGINE needs a library that is not installed.
    """
    check_engine_installed(engine)
    if engine not in ("auto", "keras"):
        return cast(EngineKind, engine)
    backends = cast(list[EngineKind], installed_backends())
    seeing = [backend for backend in backends if sees_gpu(backend)] if _nvidia_device() else []
    if seeing:
        return seeing[0]
    return backends[0] if engine == "keras" else "litert"


def sees_gpu(kind: EngineKind) -> bool:
    """Return whether a library sees a GPU. Imports the library, unless it is a JAX without a plugin for GPUs."""
    if kind == "tensorflow":
        import tensorflow as tf

        return bool(tf.config.list_physical_devices("GPU"))
    if kind == "jax" and entry_points(group="jax_plugins"):
        _keep_memory_free()
        import jax

        return any(device.platform == "gpu" for device in jax.local_devices())
    return False


def select_backend(kind: EngineKind) -> None:
    """Make Keras use this backend when it is imported. Raises SettingError if this process uses another one."""
    keras = sys.modules.get("keras")
    if keras is not None and keras.backend.backend() != kind:
        raise SettingError(f"the engine {kind}: Keras uses {keras.backend.backend()} in this process already")
    os.environ["KERAS_BACKEND"] = kind
    if kind == "jax":
        _keep_memory_free()


def _keep_memory_free() -> None:
    """Make JAX allocate a GPU's memory as needed. By default, it takes three quarters of the memory at once."""
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")


def _nvidia_device() -> bool:
    """Return whether a GPU may be present, without importing a library, which takes seconds."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return False
    return any(Path("/dev").glob("nvidia[0-9]*"))
