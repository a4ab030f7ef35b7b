"""The options of the commands that write weights."""

from argparse import ArgumentParser, BooleanOptionalAction
from pathlib import Path

from shared.contract.training import NETWORK_NAMES
from training.options.arguments import (
    DEFAULT_WEIGHTS,
    add_mnist_dir,
    add_models_dir,
    add_none_odds,
    add_sample,
    add_seed,
    at_least,
    share,
)


def add_train_options(command: ArgumentParser) -> None:
    command.add_argument(
        "--weights",
        type=Path,
        default=DEFAULT_WEIGHTS,
        help="output file; .keras holds the whole model, .h5 and .hdf5 only its weights",
    )
    command.add_argument("--network", choices=NETWORK_NAMES, default="cnn", help="network architecture")
    command.add_argument(
        "--none-label",
        action=BooleanOptionalAction,
        default=False,
        help="give the network one more output, for images of none of the labels",
    )
    command.add_argument(
        "--start",
        type=Path,
        help="fine-tune these weights of the same network; ENSEMBLE.keras:2 is the second member of an ensemble",
    )
    _add_learning(command)
    _add_images(command)
    command.add_argument("--resume", action="store_true", help="continue an interrupted run after its last epoch")
    command.add_argument("--progress", choices=("bar", "json"), default="bar", help="json: a line every few seconds")
    command.add_argument("--log", type=Path, help="CSV file for the learning curves; by default <weights>.csv")


def _add_learning(command: ArgumentParser) -> None:
    command.add_argument(
        "--num-epochs", dest="epochs", type=at_least(1), default=60, help="passes over the training images"
    )
    command.add_argument(
        "--seconds",
        type=float,
        default=0.0,
        help="train for about so long instead of --num-epochs, as on a rented GPU; cannot be repeated exactly",
    )
    command.add_argument("--batch-size", type=at_least(1), default=128, help="images per training step")
    command.add_argument("--learning-rate", type=float, default=3e-3, help="maximum learning rate")
    command.add_argument(
        "--label-smoothing", type=share, default=0.05, help="share of each label that is spread over all outputs"
    )
    command.add_argument(
        "--teacher",
        type=Path,
        action="append",
        default=[],
        help="weights of a teacher for distillation; repeat the option to average several teachers",
    )
    add_seed(command)


def _add_images(command: ArgumentParser) -> None:
    command.add_argument("--augment", action=BooleanOptionalAction, default=True, help="distort the images at random")
    command.add_argument("--distortion", type=float, default=1.0, help="strength of the distortion")
    command.add_argument(
        "--hold-out",
        action=BooleanOptionalAction,
        default=True,
        help="hold out some images for validation; without them, validation accuracy is unknown",
    )
    command.add_argument("--typeset", type=at_least(0), default=0, help="number of typeset digits to add")
    command.add_argument(
        "--pictures",
        type=Path,
        action="append",
        default=[],
        help="file of `python -m tools.training_pictures` to add; repeat the option for several files",
    )
    command.add_argument("--limit-images", type=at_least(10), help="use only the first LIMIT_IMAGES images")
    add_sample(command)
    add_mnist_dir(command)


def add_none_head_options(command: ArgumentParser) -> None:
    command.add_argument("--start", type=Path, required=True, help="weights of a trained network")
    command.add_argument(
        "--pictures",
        type=Path,
        action="append",
        required=True,
        help="file of `python -m tools.training_pictures`; repeat the option for several files",
    )
    command.add_argument("--units", type=at_least(1), default=32, help="units of the added layer")
    add_seed(command)
    command.add_argument("--weights", type=Path, default=Path("build/cnn-none.keras"), help="output file")
    add_sample(command)
    add_mnist_dir(command)


def add_ensemble_options(command: ArgumentParser) -> None:
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
        action=BooleanOptionalAction,
        default=False,
        help="also show each network a smaller and a larger view of the image",
    )
    add_none_odds(command)
    command.add_argument("--weights", type=Path, default=Path("build/cnn-accurate.keras"), help="output file")


def add_number_options(command: ArgumentParser) -> None:
    command.add_argument("--weights", type=Path, default=Path("build/number.keras"), help="output file")
    command.add_argument("--start", type=Path, help="continue with these weights")
    command.add_argument(
        "--strips",
        type=Path,
        action="append",
        default=[],
        help="file of `python -m tools.training_pictures.strips`; may be given several times",
    )
    command.add_argument("--held-out", type=Path, required=True, help="file of strips that no training uses")
    command.add_argument("--seconds", type=float, default=0.0, help="train for so long; 0 only makes the version")
    command.add_argument("--learning-rate", type=float, default=2e-3, help="maximum learning rate")
    add_seed(command)
    command.add_argument("--version", type=at_least(1), help="make this version of the model `number`")
    command.add_argument(
        "--max-wrong",
        type=share,
        default=0.01,
        help="share of the held-out numbers that the version may read wrongly; its threshold follows from it",
    )
    command.add_argument(
        "--min-right", type=share, default=0.85, help="share of the held-out numbers that it has to read"
    )
    command.add_argument("--force", action="store_true", help="replace an existing version")
    add_models_dir(command)
