"""`mnistified serve`: the whole system from an installed package. It writes to a folder of the user."""

import argparse
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path

from deploy.local.run import add_options, run
from shared.config.settings import Settings, load_settings
from shared.errors import MnistifiedError
from shared.models.registry import versions

# The wheel has the models inside this package; a checkout has them next to it.
HERE = Path(__file__).parent
MODELS = next(folder for folder in (HERE / "models", HERE.parent / "models") if folder.is_dir())


def add_command(command: Callable[[str, str], argparse.ArgumentParser]) -> None:
    """Add the command. The command line finds this function through the entry points `mnistified.commands`."""
    parser = command("serve", "start the whole service on this machine; Ctrl-C stops it")
    add_options(parser)
    parser.set_defaults(run_alone=serve)


def serve(arguments: argparse.Namespace) -> int:
    """Run the service until it is stopped. Raises ValueError if it cannot start."""
    try:
        settings = load_settings(os.environ, redis_url_file=Path(os.devnull))
        home = settings.data_dir or default_data_dir(os.environ)
        os.environ.update(absolute_paths(settings, os.environ))
        home.mkdir(parents=True, exist_ok=True)
        os.chdir(home)  # default paths are relative to it, and Python must not import modules from the user's folder
        if not os.environ.get("MODELS_DIR"):
            add_models(MODELS, Path(settings.models_dir))
        return run(arguments.workers, trainer=arguments.trainer, celery_api=arguments.celery_api)
    except MnistifiedError as error:
        raise ValueError(f"serve: {error}") from error


def default_data_dir(environ: Mapping[str, str]) -> Path:
    """Return the folder that the XDG base directory specification names."""
    return Path(environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "mnistified"


def absolute_paths(settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the settings in `environ` that are paths, made absolute from the user's folder."""
    names = {setting.name.upper(): getattr(settings, setting.name) for setting in fields(Settings)}
    return {
        name: str(value.absolute()) for name, value in names.items() if environ.get(name) and isinstance(value, Path)
    }


def add_models(source: Path, registry: Path) -> None:
    """Copy each version of the package that `registry` lacks. Existing versions stay as they are."""
    for name in sorted(folder.name for folder in source.iterdir()):
        for version in versions(source, name):
            target = registry / name / str(version)
            if not target.exists():
                unfinished = target.with_name(f".{version}")
                shutil.copytree(source / name / str(version), unfinished, dirs_exist_ok=True)
                unfinished.rename(target)
