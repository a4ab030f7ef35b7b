"""The command line: `python -m training --help`."""

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from shared.config.values import folder_or_url
from shared.contract.training_request import NETWORK_NAMES
from shared.errors import MnistifiedError

DEFAULT_WEIGHTS = Path("build/cnn.keras")
MODULES = {
    "train": "run",
    "ensemble": "ensemble",
    "export": "publishing.export",
    "layers": "publishing.layers_file",
    "evaluate": "evaluate",
    "qa": "qa.command",
    "publish": "publishing.publish",
    "data": "data.download",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; what it refuses goes to stderr, in a sentence."""
    argv = sys.argv[1:] if argv is None else argv
    options = make_parser().parse_args(argv)
    # Keep TensorFlow's notices out of the progress bar. It reads this once, on import.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        # Imported only now, so that --help and a wrong option answer at once.
        import_module(f"training.{MODULES[options.command]}").run(
            options, shlex.join(["python", "-m", "training", *argv])
        )
    except MnistifiedError as error:
        print(f"{options.command}: {error}", file=sys.stderr)
        return 1
    return 0


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="python -m training", description="Train, export and evaluate the classifier of digits."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, summary, add_options in (
        ("train", "train and save weights, their curves and their record", _add_train_options),
        ("ensemble", "join trained networks into one model that averages them", _add_ensemble_options),
        ("export", "make weights into a version that the service can load", _add_export_options),
        ("layers", "let a version show its layers, for ?verbose=1", _add_layers_options),
        ("evaluate", "measure a version's accuracy in the engine that serves", _add_evaluate_options),
        ("qa", "judge a version, and leave report.json and report.html beside it", _add_qa_options),
        ("publish", "copy a version that has passed into a registry", _add_publish_options),
        ("data", "fetch MNIST and check it", _add_data_options),
    ):
        command = commands.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        )
        add_options(command)
    return parser


def _add_train_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--weights",
        type=Path,
        default=DEFAULT_WEIGHTS,
        help=".keras: whole model; .h5, .hdf5: weights as HDF5",
    )
    command.add_argument("--network", choices=NETWORK_NAMES, default="cnn", help="what to train")
    command.add_argument("--num-epochs", type=_positive, default=60, help="passes over the images")
    command.add_argument("--batch-size", type=_positive, default=128, help="images of one step")
    command.add_argument("--seed", type=int, default=0, help="the same seed trains the same weights")
    command.add_argument(
        "--augment", action=argparse.BooleanOptionalAction, default=True, help="distort the images at random"
    )
    command.add_argument("--distortion", type=float, default=1.0, help="strength of what --augment does")
    command.add_argument("--learning-rate", type=float, default=3e-3, help="its highest value")
    command.add_argument(
        "--start",
        type=Path,
        help="weights of the same network, to be tuned further; ENSEMBLE.keras:2 is the second of an ensemble's",
    )
    command.add_argument(
        "--teacher", type=Path, action="append", default=[], help="weights to learn from; several are averaged"
    )
    command.add_argument(
        "--hold-out",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="keep some images out, to choose by; without, nothing tells how good the weights are",
    )
    command.add_argument(
        "--typeset", type=_none_or_more, default=0, help="so many digits set in type, to learn beside the dataset's"
    )
    command.add_argument("--resume", action="store_true", help="go on after the last epoch of a run that was cut short")
    command.add_argument("--progress", choices=("bar", "json"), default="bar", help="json: a line every few seconds")
    command.add_argument("--log", type=Path, help="CSV file for the curves; by default <weights>.csv")
    _add_split(command)


def _add_ensemble_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--member", type=Path, action="append", required=True, help="weights of one network")
    command.add_argument(
        "--views",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="show each network the image smaller and larger, too",
    )
    command.add_argument("--weights", type=Path, default=Path("build/cnn-accurate.keras"), help="file to write")


def _add_export_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--weights", type=Path, default=DEFAULT_WEIGHTS, help="what `train` wrote")
    command.add_argument("--name", default="cnn", help="the model's name in the registry")
    command.add_argument("--version", type=_positive, required=True, help="its version")
    command.add_argument("--force", action="store_true", help="replace a version that is there")
    _add_models_dir(command)


def _add_layers_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("model", metavar="NAME[@VERSION]", help="a version in the registry")
    _add_models_dir(command)


def _add_evaluate_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--model", default="cnn", help="`name`, its latest version, or `name@version`")
    command.add_argument("--engine", choices=("litert", "tensorflow"), default="litert", help="what runs it")
    command.add_argument("--write", action="store_true", help="record what was measured in its model.json")
    command.add_argument("--models-dir", type=folder_or_url, default=_models_dir(), help="the registry, also as a URL")
    _add_mnist_dir(command)


def _add_qa_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("model", metavar="NAME@VERSION", help="what to judge")
    command.add_argument(
        "--champion",
        metavar="NAME@VERSION",
        help="whom to compare with; `none`: nobody; else the latest other version of that name that has passed",
    )
    command.add_argument("--champion-dir", type=_folder, default=_models_dir(), help="the registry of the champion")
    command.add_argument("--floor", type=_share, help="least accuracy; else the card's `floor`, else 0.995")
    command.add_argument("--engine", choices=("litert", "tensorflow"), default="litert", help="what runs it")
    command.add_argument("--allow-slower", action="store_true", help="tell the throughput, but do not judge it")
    command.add_argument("--memory-mib", type=_positive, default=512, help="what loading it may take")
    command.add_argument("--html", type=Path, help="where the page goes, if not beside the version")
    command.add_argument("--json", action="store_true", help="print the report itself, not the table of it")
    _add_models_dir(command)
    _add_mnist_dir(command)


def _add_publish_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("model", metavar="NAME@VERSION", help="what to publish")
    command.add_argument(
        "--from", dest="source_dir", type=Path, default=Path("build/models"), help="the registry that it is in"
    )
    command.add_argument("--force", action="store_true", help="publish what has not passed, too; needs --reason")
    command.add_argument("--reason", help="why, for its card")
    _add_models_dir(command)


def _add_data_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--dir", type=Path, default=Path("data/mnist"), help="where the files go")


def _add_models_dir(command: argparse.ArgumentParser) -> None:
    command.add_argument("--models-dir", type=_folder, default=_models_dir(), help="the registry")


def _models_dir() -> str:
    """Parsed as an option's own text is, and only where the option is not given."""
    return os.environ.get("MODELS_DIR") or "models"


def _folder(text: str) -> Path:
    place = folder_or_url(text)
    if not isinstance(place, Path):
        raise argparse.ArgumentTypeError("expected a folder, not a URL")
    return place


def _add_split(command: argparse.ArgumentParser) -> None:
    command.add_argument("--limit-images", type=_ten_or_more, help="use only the first so many images")
    command.add_argument("--sample", action="store_true", help="take the drawn sample instead of MNIST")
    _add_mnist_dir(command)


def _add_mnist_dir(command: argparse.ArgumentParser) -> None:
    setting = os.environ.get("MNIST_DIR")
    command.add_argument(
        "--mnist-dir",
        type=Path,
        default=Path(setting) if setting else None,
        help="where MNIST is; else looked for",
    )


def _share(text: str) -> float:
    share = float(text)
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"expected 0 to 1, got {text}")
    return share


def _positive(text: str) -> int:
    return _at_least(1, text)


def _none_or_more(text: str) -> int:
    return _at_least(0, text)


def _ten_or_more(text: str) -> int:
    return _at_least(10, text)  # a tenth is held out


def _at_least(low: int, text: str) -> int:
    number = int(text)
    if number < low:
        raise argparse.ArgumentTypeError(f"expected {low} or more, got {number}")
    return number


if __name__ == "__main__":
    sys.exit(main())
