"""Versions come into a registry whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.contract.model_ref import ModelRef
from shared.errors import ModelError
from shared.models import registry


@contextmanager
def staged(models_dir: Path, name: str, version: int, *, replace: bool = False) -> Iterator[Path]:
    """Yield an empty directory to fill; at the end of the block it becomes `models_dir/<name>/<version>/`.

    If the block raises, nothing is left of it. Raises ModelError when that version is there already, unless `replace`,
    and when the registry would not find what was made under that name and version.
    """
    target = models_dir / name / str(version)
    if target.exists() and not replace:
        raise ModelError(f"{target} is there already: choose another version; only `export` replaces one, with --force")
    models_dir.mkdir(parents=True, exist_ok=True)
    # A registry of its own, on the same disk: the registry's reader checks it before anyone can see it.
    with tempfile.TemporaryDirectory(prefix=".staging-", dir=models_dir) as staging:
        directory = Path(staging, name, str(version))
        directory.mkdir(parents=True)
        yield directory
        registry.load_version(Path(staging), str(ModelRef(name, version)))
        target.parent.mkdir(exist_ok=True)
        if replace and target.exists():
            os.rename(target, Path(staging, "replaced"))
        try:
            os.rename(directory, target)
        except OSError as error:
            raise ModelError(f"{target} cannot be made: {error}") from error
