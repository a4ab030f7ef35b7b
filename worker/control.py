"""Celery commands of inference workers: `inspect models`, `control load_model`, `control unload_model`.

Importing this file registers the commands, in a worker and in `celery -A worker.app`. It loads no engine.
"""

from typing import Any

import msgspec
from celery.worker.control import control_command, inspect_command, nok, ok

from shared.errors import ModelError

REF = {"args": [("ref", str)], "signature": "<name@version>"}


@inspect_command()  # type: ignore[untyped-decorator]
def models(state: Any, **_: Any) -> Any:
    """Return the versions that are loaded, loading or requested, and those that failed to load."""
    return msgspec.to_builtins(_loader(state).state())


@control_command(**REF)  # type: ignore[untyped-decorator]
def load_model(state: Any, ref: str, **_: Any) -> Any:
    """Load a version in addition to the others. It stays loaded while it is used."""
    try:
        asked = _loader(state).ask(ref)
    except ModelError as error:
        return nok(str(error))
    return ok(f"{asked} is loaded in a moment: see `inspect models`")


@control_command(**REF)  # type: ignore[untyped-decorator]
def unload_model(state: Any, ref: str, **_: Any) -> Any:
    """Unload a version that nothing needs."""
    reason = _loader(state).unload(ref)
    return nok(reason) if reason else ok(f"{ref} is unloaded")


def _loader(state: Any) -> Any:
    return state.consumer.controller.batching.loader
