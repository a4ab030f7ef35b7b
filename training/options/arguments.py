"""Values of options, and options that several commands have."""

import os
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from pathlib import Path

from shared.config.values import folder_or_url
from shared.contract.model_spec import Values
from training.importing.choices import parse_values

DEFAULT_WEIGHTS = Path("build/cnn.keras")


def at_least(minimum: int) -> Callable[[str], int]:
    def integer(text: str) -> int:
        number = int(text)
        if number < minimum:
            raise ArgumentTypeError(f"expected {minimum} or more, got {number}")
        return number

    return integer


def share(text: str) -> float:
    number = float(text)
    if not 0 <= number <= 1:
        raise ArgumentTypeError(f"expected 0 to 1, got {text}")
    return number


def image_size(text: str) -> tuple[int, int]:
    height, _, width = text.lower().partition("x")
    if not (height.isdecimal() and width.isdecimal()):
        raise ArgumentTypeError(f"expected HEIGHTxWIDTH, such as 96x96, got {text!r}")
    return at_least(1)(height), at_least(1)(width)


def pixel_values(text: str) -> Values:
    try:
        return parse_values(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


def folder(text: str) -> Path:
    place = folder_or_url(text)
    if not isinstance(place, Path):
        raise ArgumentTypeError("expected a folder, not a URL")
    return place


def default_models_dir() -> str:
    """Return the default as text: argparse parses it like an option, and only if the option is missing."""
    return os.environ.get("MODELS_DIR") or "models"


def add_models_dir(command: ArgumentParser) -> None:
    command.add_argument("--models-dir", type=folder, default=default_models_dir(), help="registry folder")


def add_mnist_dir(command: ArgumentParser) -> None:
    setting = os.environ.get("MNIST_DIR")
    command.add_argument(
        "--mnist-dir",
        type=Path,
        default=Path(setting) if setting else None,
        help="folder of MNIST; by default searched for",
    )


def add_engine(command: ArgumentParser) -> None:
    command.add_argument("--engine", choices=("litert", "tensorflow"), default="litert", help="runtime")


def add_seed(command: ArgumentParser) -> None:
    command.add_argument("--seed", type=int, default=0, help="random seed; the same seed gives the same weights")


def add_sample(command: ArgumentParser, use: str = "use") -> None:
    command.add_argument("--sample", action="store_true", help=f"{use} the drawn sample instead of MNIST")


def add_none_odds(command: ArgumentParser) -> None:
    command.add_argument(
        "--none-odds",
        type=float,
        help="factor for the odds of none of the labels, which a service sees less often than a training",
    )


def add_new_version(command: ArgumentParser) -> None:
    command.add_argument("--name", default="cnn", help="model name in the registry")
    command.add_argument("--version", type=at_least(1), required=True, help="version number")
    command.add_argument("--force", action="store_true", help="replace an existing version")
    add_models_dir(command)
