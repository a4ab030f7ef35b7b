"""The command line: `python -m training --help`."""

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from shared.errors import MnistifiedError
from training.options import versions, weights


def _add_data_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--dir", type=Path, default=Path("data/mnist"), help="folder for the files")


class Command(NamedTuple):
    """A command: the module whose `run` is called with its options, a summary, and the function that adds them."""

    module: str
    summary: str
    add_options: Callable[[argparse.ArgumentParser], None]


COMMANDS = {
    "train": Command(
        "run", "train a network; save its weights, learning curves and training record", weights.add_train_options
    ),
    "none-head": Command(
        "fitting.none_head",
        "give trained weights an output for images of none of the labels",
        weights.add_none_head_options,
    ),
    "ensemble": Command(
        "combining.ensemble",
        "combine trained networks into one model that averages their answers",
        weights.add_ensemble_options,
    ),
    "number": Command(
        "loop.numbers.command",
        "train the network that reads numbers, and make a version of it",
        weights.add_number_options,
    ),
    "cascade": Command(
        "combining.cascade",
        "build a version whose networks pass on what they are not sure of",
        versions.add_cascade_options,
    ),
    "export": Command(
        "publishing.export", "convert weights into a version that the service can load", versions.add_export_options
    ),
    "layers": Command(
        "publishing.layers_file",
        "add the file that ?verbose=1 needs to show a version's layers",
        versions.add_layers_options,
    ),
    "evaluate": Command(
        "evaluate", "measure a version's accuracy in the engine that serves it", versions.add_evaluate_options
    ),
    "qa": Command(
        "qa.command",
        "run the quality gate on a version and write its report.json and report.html",
        versions.add_qa_options,
    ),
    "publish": Command(
        "publishing.publish",
        "copy a version that has passed the quality gate into a registry",
        versions.add_publish_options,
    ),
    "import": Command(
        "importing.command", "publish a model file that was made elsewhere as a version", versions.add_import_options
    ),
    "data": Command("data.download", "download MNIST and verify its hashes", _add_data_options),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status. Errors go to stderr as one sentence."""
    argv = sys.argv[1:] if argv is None else argv
    options = make_parser().parse_args(_join_values(argv))
    # Keep TensorFlow's notices out of the progress bar. TensorFlow reads the variable once, on import.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        # A late import: --help and errors in options do not wait for TensorFlow.
        import_module(f"training.{COMMANDS[options.command].module}").run(
            options, shlex.join(["python", "-m", "training", *argv])
        )
    except MnistifiedError as error:
        print(f"{options.command}: {error}", file=sys.stderr)
        return 1
    return 0


def _join_values(argv: Sequence[str]) -> list[str]:
    """Join `--values -1..1` to `--values=-1..1`, because argparse takes the value for an option."""
    joined: list[str] = []
    for argument in argv:
        if joined and joined[-1] == "--values":
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="python -m training", description="Train, export and evaluate the classifier of digits."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (_, summary, add_options) in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        )
        add_options(command)
    return parser


if __name__ == "__main__":
    sys.exit(main())
