"""The setting ENGINE: the libraries that run a model, and whether they are installed."""

from importlib.util import find_spec

from shared.errors import SettingError

KERAS_BACKENDS = ("jax", "tensorflow")  # in the order in which `keras` tries them
ENGINES = ("auto", "litert", "keras", *KERAS_BACKENDS)


def installed_backends() -> list[str]:
    """Return the installed backends of Keras, without importing them."""
    return [name for name in KERAS_BACKENDS if find_spec(name)] if find_spec("keras") else []


def check_engine_installed(engine: str) -> None:
    """Raises SettingError if ENGINE needs a library that is not installed."""
    if engine == "keras" and not installed_backends():
        missing = "neither JAX nor TensorFlow is installed next to Keras"
    elif engine in KERAS_BACKENDS and engine not in installed_backends():
        missing = "it is not installed together with Keras"
    else:
        return
    raise SettingError(f"ENGINE={engine!r}: {missing}; pip install 'mnistified[gpu]', or use litert")
