"""Atomic creation of a version in a registry."""

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
    """Yield an empty directory that becomes `models_dir/<name>/<version>/` at the end. Raises ModelError."""
    target = models_dir / name / str(version)
    if target.exists() and not replace:
        raise ModelError(f"{target} exists: choose another version; only `export --force` replaces a version")
    models_dir.mkdir(parents=True, exist_ok=True)
    # A separate registry on the same disk: load_version checks the version before it becomes visible.
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
            raise ModelError(f"{target} cannot be created: {error}") from error
