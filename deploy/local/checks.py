"""Checks before anything starts: settings, files and ports."""

import os
from collections.abc import Mapping
from importlib.util import find_spec

from deploy.processes import port_in_use
from shared.config.engine import check_engine_installed
from shared.config.loopback import is_loopback
from shared.config.settings import Settings
from shared.data.dataset import find_mnist_dir
from shared.errors import SettingError
from shared.models.mirror import open_registry
from shared.models.registry import load_version
from shared.redis.reachable import check_redis

FLOWER_GUARDS = ("FLOWER_BASIC_AUTH", "FLOWER_AUTH")


def check_can_start(settings: Settings, workers: int, *, trainer: bool) -> None:
    """Raises MnistifiedError, in one sentence, if a setting, a file or a port would keep a program from starting."""
    if workers < 1:
        raise SettingError(f"--workers {workers}: expected 1 or more")
    if trainer and find_spec("tensorflow") is None:
        raise SettingError("--trainer needs TensorFlow, which is not installed: pip install 'mnistified[train]'")
    check_flower_guarded(settings.flower_host, os.environ)
    check_data(settings)
    if os.environ.get("REDIS_URL"):
        check_redis(settings, "api", "worker")
    check_port_free("API_PORT", settings.api_host, settings.api_port)
    check_port_free("FLOWER_PORT", settings.flower_host, settings.flower_port)


def check_data(settings: Settings) -> None:
    """Raises MnistifiedError if the test set, the default model or the engine is missing."""
    find_mnist_dir(settings.mnist_dir, "test")
    registry = open_registry(settings.models_dir, settings.models_cache_dir)
    load_version(registry, settings.default_model.partition("@")[0])
    check_engine_installed(settings.engine)


def check_port_free(setting: str, host: str, port: int) -> None:
    """Raises SettingError, which names the port, the process that holds it, and the setting that changes it."""
    reason = port_in_use(host, port)
    if reason is not None:
        raise SettingError(f"port {port} of {host} cannot be used ({reason}); choose another with {setting}")


def check_flower_guarded(host: str, environ: Mapping[str, str]) -> None:
    """Raises SettingError if other machines could reach a Flower without a password: Flower can stop workers."""
    if not is_loopback(host) and not any(environ.get(guard) for guard in FLOWER_GUARDS):
        raise SettingError(
            f"FLOWER_HOST={host!r}: anyone who reaches Flower can stop workers; set FLOWER_BASIC_AUTH=user:password"
        )
