"""The command line: `python -m training --help`."""

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import get_args

from shared.config.values import folder_or_url
from shared.contract.model_spec import Layout, Output, Resize, Values
from shared.contract.training import NETWORK_NAMES
from shared.errors import MnistifiedError
from training.combining.stage_option import parse_stage
from training.importing.choices import parse_values

DEFAULT_WEIGHTS = Path("build/cnn.keras")
MODULES = {
    "train": "run",
    "none-head": "fitting.none_head",
    "ensemble": "combining.ensemble",
    "cascade": "combining.cascade",
    "export": "publishing.export",
    "layers": "publishing.layers_file",
    "evaluate": "evaluate",
    "qa": "qa.command",
    "publish": "publishing.publish",
    "import": "importing.command",
    "data": "data.download",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status. Errors go to stderr as one sentence."""
    argv = sys.argv[1:] if argv is None else argv
    options = make_parser().parse_args(_join_values(argv))
    # Keep TensorFlow's notices out of the progress bar. TensorFlow reads the variable once, on import.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        # A late import: --help and errors in options do not wait for TensorFlow.
        import_module(f"training.{MODULES[options.command]}").run(
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
    for name, summary, add_options in (
        ("train", "train a network; save its weights, learning curves and training record", _add_train_options),
        ("none-head", "give trained weights an output for images of none of the labels", _add_none_head_options),
        ("ensemble", "combine trained networks into one model that averages their answers", _add_ensemble_options),
        (
            "cascade",
            "build a version whose networks pass on what they are not sure of",
            _add_cascade_options,
        ),
        ("export", "convert weights into a version that the service can load", _add_export_options),
        ("layers", "add the file that ?verbose=1 needs to show a version's layers", _add_layers_options),
        ("evaluate", "measure a version's accuracy in the engine that serves it", _add_evaluate_options),
        ("qa", "run the quality gate on a version and write its report.json and report.html", _add_qa_options),
        ("publish", "copy a version that has passed the quality gate into a registry", _add_publish_options),
        ("import", "publish a model file that was made elsewhere as a version", _add_import_options),
        ("data", "download MNIST and verify its hashes", _add_data_options),
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
        help="output file; .keras holds the whole model, .h5 and .hdf5 only its weights",
    )
    command.add_argument("--network", choices=NETWORK_NAMES, default="cnn", help="network architecture")
    command.add_argument(
        "--num-epochs", dest="epochs", type=_at_least(1), default=60, help="passes over the training images"
    )
    command.add_argument("--batch-size", type=_at_least(1), default=128, help="images per training step")
    command.add_argument("--seed", type=int, default=0, help="random seed; the same seed gives the same weights")
    command.add_argument(
        "--augment", action=argparse.BooleanOptionalAction, default=True, help="distort the images at random"
    )
    command.add_argument("--distortion", type=float, default=1.0, help="strength of the distortion")
    command.add_argument("--learning-rate", type=float, default=3e-3, help="maximum learning rate")
    command.add_argument(
        "--start",
        type=Path,
        help="fine-tune these weights of the same network; ENSEMBLE.keras:2 is the second member of an ensemble",
    )
    command.add_argument(
        "--teacher",
        type=Path,
        action="append",
        default=[],
        help="weights of a teacher for distillation; repeat the option to average several teachers",
    )
    command.add_argument(
        "--hold-out",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="hold out some images for validation; without them, validation accuracy is unknown",
    )
    command.add_argument("--typeset", type=_at_least(0), default=0, help="number of typeset digits to add")
    command.add_argument(
        "--pictures",
        type=Path,
        action="append",
        default=[],
        help="file of `python -m tools.training_pictures` to add; repeat the option for several files",
    )
    command.add_argument(
        "--none-label",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="give the network one more output, for images of none of the labels",
    )
    command.add_argument(
        "--label-smoothing", type=_share, default=0.05, help="share of each label that is spread over all outputs"
    )
    command.add_argument(
        "--seconds",
        type=float,
        default=0.0,
        help="train for about so long instead of --num-epochs, as on a rented GPU; cannot be repeated exactly",
    )
    command.add_argument("--resume", action="store_true", help="continue an interrupted run after its last epoch")
    command.add_argument("--progress", choices=("bar", "json"), default="bar", help="json: a line every few seconds")
    command.add_argument("--log", type=Path, help="CSV file for the learning curves; by default <weights>.csv")
    command.add_argument("--limit-images", type=_at_least(10), help="use only the first LIMIT_IMAGES images")
    command.add_argument("--sample", action="store_true", help="use the drawn sample instead of MNIST")
    _add_mnist_dir(command)


def _add_none_head_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--start", type=Path, required=True, help="weights of a network without this output")
    command.add_argument(
        "--pictures",
        type=Path,
        action="append",
        required=True,
        help="file of `python -m tools.training_pictures`; repeat the option for several files",
    )
    command.add_argument("--seed", type=int, default=0, help="random seed; the same seed gives the same weights")
    command.add_argument("--weights", type=Path, default=Path("build/cnn-none.keras"), help="output file")
    command.add_argument("--sample", action="store_true", help="use the drawn sample instead of MNIST")
    _add_mnist_dir(command)


def _add_ensemble_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--member", type=Path, action="append", required=True, help="weights of one network")
    command.add_argument(
        "--share",
        type=float,
        action="append",
        default=[],
        help="share of a member in the mean, once for each member; by default equal",
    )
    command.add_argument(
        "--views",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="also show each network a smaller and a larger view of the image",
    )
    _add_none_odds(command)
    command.add_argument("--weights", type=Path, default=Path("build/cnn-accurate.keras"), help="output file")


def _add_cascade_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--stage",
        type=parse_stage,
        action="append",
        required=True,
        metavar="PATH[:THRESHOLD]",
        help="folder of a version or weights file, in the order of the stages; it passes on images whose largest "
        "output is below THRESHOLD, which is chosen on held-out images if it is not given",
    )
    _add_new_version(command)
    command.add_argument("--sample", action="store_true", help="choose on the drawn sample instead of MNIST")
    _add_mnist_dir(command)


def _add_export_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--weights", type=Path, default=DEFAULT_WEIGHTS, help="weights file written by `train`")
    _add_none_odds(command)
    _add_new_version(command)


def _add_none_odds(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--none-odds",
        type=float,
        help="factor for the odds of none of the labels, which a service sees less often than a training",
    )


def _add_new_version(command: argparse.ArgumentParser) -> None:
    command.add_argument("--name", default="cnn", help="model name in the registry")
    command.add_argument("--version", type=_at_least(1), required=True, help="version number")
    command.add_argument("--force", action="store_true", help="replace an existing version")
    _add_models_dir(command)


def _add_layers_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("model", metavar="NAME[@VERSION]", help="version in the registry")
    _add_models_dir(command)


def _add_evaluate_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--model", default="cnn", help="`name@version`, or `name` for its latest version")
    _add_engine(command)
    command.add_argument("--write", action="store_true", help="record the measurements in the version's model.json")
    command.add_argument(
        "--lose",
        type=_share,
        help="with --write, fit the threshold of the acceptance rule: it loses at most this share of held-out images",
    )
    command.add_argument("--models-dir", type=folder_or_url, default=_models_dir(), help="registry: a folder or a URL")
    _add_mnist_dir(command)


def _add_qa_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("model", metavar="NAME@VERSION", help="version to judge")
    command.add_argument(
        "--champion",
        metavar="NAME@VERSION",
        help="version to compare with, or `none`; by default the latest other version of NAME that has passed",
    )
    command.add_argument("--champion-dir", type=_folder, default=_models_dir(), help="registry of the champion")
    command.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="folder with a folder of pictures per label; by default MNIST's test set",
    )
    command.add_argument(
        "--floor", type=_share, help="minimum accuracy; by default the card's `floor`, or 0.995 on MNIST"
    )
    _add_engine(command)
    command.add_argument("--allow-slower", action="store_true", help="report the throughput without judging it")
    command.add_argument("--memory-mib", type=_at_least(1), default=512, help="maximum memory that loading may add")
    command.add_argument("--html", type=Path, help="file for the HTML report; by default next to the version")
    command.add_argument("--json", action="store_true", help="print the report as JSON instead of a table")
    _add_models_dir(command)
    _add_mnist_dir(command)


def _add_publish_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("model", metavar="NAME@VERSION", help="version to publish")
    command.add_argument(
        "--from", dest="source_dir", type=Path, default=Path("build/models"), help="registry to copy from"
    )
    command.add_argument("--force", action="store_true", help="publish a version that has not passed; needs --reason")
    command.add_argument("--reason", help="why the version is published anyway, for its card")
    _add_models_dir(command)


def _add_import_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "file", type=Path, metavar="FILE", help=".keras, .h5, .tflite, .onnx, or the folder of a SavedModel"
    )
    command.add_argument("--name", required=True, help="model name in the registry")
    command.add_argument("--version", type=_at_least(1), help="version number; by default the next one")
    command.add_argument(
        "--labels", type=Path, required=True, help="text file with one label per line, in the order of the outputs"
    )
    command.add_argument(
        "--values",
        type=_values,
        help="numbers that the model takes for pixels: 0..255, 0..1, -1..1, quantized, or mean=M,M,M/std=S,S,S of "
        "pixels from 0 to 1; by default those of the file's quantisation",
    )
    command.add_argument("--layout", choices=get_args(Layout), help="order of the axes; by default from the shape")
    command.add_argument(
        "--output", choices=get_args(Output), help="meaning of the answers; by default from some answers"
    )
    command.add_argument(
        "--resize", choices=get_args(Resize), default="exact", help="treatment of pictures of another size"
    )
    command.add_argument(
        "--examples",
        type=Path,
        metavar="DIR",
        help="folder with a folder of pictures per label, for accuracy, golden images and calibration on the card",
    )
    command.add_argument("--size", type=_size, help="HEIGHTxWIDTH for a model that takes images of any size")
    _add_models_dir(command)


def _add_data_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--dir", type=Path, default=Path("data/mnist"), help="folder for the files")


def _add_engine(command: argparse.ArgumentParser) -> None:
    command.add_argument("--engine", choices=("litert", "tensorflow"), default="litert", help="runtime")


def _add_models_dir(command: argparse.ArgumentParser) -> None:
    command.add_argument("--models-dir", type=_folder, default=_models_dir(), help="registry folder")


def _models_dir() -> str:
    """Return the default as text: argparse parses it like an option, and only if the option is missing."""
    return os.environ.get("MODELS_DIR") or "models"


def _folder(text: str) -> Path:
    place = folder_or_url(text)
    if not isinstance(place, Path):
        raise argparse.ArgumentTypeError("expected a folder, not a URL")
    return place


def _add_mnist_dir(command: argparse.ArgumentParser) -> None:
    setting = os.environ.get("MNIST_DIR")
    command.add_argument(
        "--mnist-dir",
        type=Path,
        default=Path(setting) if setting else None,
        help="folder of MNIST; by default searched for",
    )


def _values(text: str) -> Values:
    try:
        return parse_values(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _size(text: str) -> tuple[int, int]:
    height, _, width = text.lower().partition("x")
    if not (height.isdecimal() and width.isdecimal()):
        raise argparse.ArgumentTypeError(f"expected HEIGHTxWIDTH, such as 96x96, got {text!r}")
    return _at_least(1)(height), _at_least(1)(width)


def _share(text: str) -> float:
    share = float(text)
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"expected 0 to 1, got {text}")
    return share


def _at_least(minimum: int) -> Callable[[str], int]:
    def integer(text: str) -> int:
        number = int(text)
        if number < minimum:
            raise argparse.ArgumentTypeError(f"expected {minimum} or more, got {number}")
        return number

    return integer


if __name__ == "__main__":
    sys.exit(main())
