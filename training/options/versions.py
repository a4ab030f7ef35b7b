"""The options of the commands that make, judge and publish versions."""

from argparse import ArgumentParser
from pathlib import Path
from typing import get_args

from shared.config.values import folder_or_url
from shared.contract.model_spec import Layout, Output, Resize
from training.combining.stage_option import parse_stage
from training.options.arguments import (
    DEFAULT_WEIGHTS,
    add_engine,
    add_mnist_dir,
    add_models_dir,
    add_new_version,
    add_none_odds,
    add_sample,
    at_least,
    default_models_dir,
    folder,
    image_size,
    pixel_values,
    share,
)


def add_cascade_options(command: ArgumentParser) -> None:
    command.add_argument(
        "--stage",
        type=parse_stage,
        action="append",
        required=True,
        metavar="PATH[:THRESHOLD]",
        help="folder of a version or weights file, in the order of the stages; it passes on images whose largest "
        "output is below THRESHOLD, which is chosen on held-out images if it is not given",
    )
    add_new_version(command)
    add_sample(command, "choose on")
    add_mnist_dir(command)


def add_export_options(command: ArgumentParser) -> None:
    command.add_argument("--weights", type=Path, default=DEFAULT_WEIGHTS, help="weights file written by `train`")
    add_none_odds(command)
    add_new_version(command)


def add_layers_options(command: ArgumentParser) -> None:
    command.add_argument("model", metavar="NAME[@VERSION]", help="version in the registry")
    add_models_dir(command)


def add_evaluate_options(command: ArgumentParser) -> None:
    command.add_argument("--model", default="cnn", help="`name@version`, or `name` for its latest version")
    add_engine(command)
    command.add_argument("--write", action="store_true", help="record the measurements in the version's model.json")
    command.add_argument(
        "--lose",
        type=share,
        help="with --write, fit the threshold of the acceptance rule: it loses at most this share of held-out images",
    )
    command.add_argument(
        "--models-dir", type=folder_or_url, default=default_models_dir(), help="registry: a folder or a URL"
    )
    add_mnist_dir(command)


def add_qa_options(command: ArgumentParser) -> None:
    command.add_argument("model", metavar="NAME@VERSION", help="version to judge")
    command.add_argument(
        "--champion",
        metavar="NAME@VERSION",
        help="version to compare with, or `none`; by default the latest other version of NAME that has passed",
    )
    command.add_argument("--champion-dir", type=folder, default=default_models_dir(), help="registry of the champion")
    command.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="folder with a folder of pictures per label; by default MNIST's test set",
    )
    command.add_argument(
        "--floor", type=share, help="minimum accuracy; by default the card's `floor`, or 0.995 on MNIST"
    )
    add_engine(command)
    command.add_argument("--allow-slower", action="store_true", help="report the throughput without judging it")
    command.add_argument("--memory-mib", type=at_least(1), default=512, help="maximum memory that loading may add")
    command.add_argument("--html", type=Path, help="file for the HTML report; by default next to the version")
    command.add_argument("--json", action="store_true", help="print the report as JSON instead of a table")
    add_models_dir(command)
    add_mnist_dir(command)


def add_publish_options(command: ArgumentParser) -> None:
    command.add_argument("model", metavar="NAME@VERSION", help="version to publish")
    command.add_argument(
        "--from", dest="source_dir", type=Path, default=Path("build/models"), help="registry to copy from"
    )
    command.add_argument("--force", action="store_true", help="publish a version that has not passed; needs --reason")
    command.add_argument("--reason", help="why the version is published anyway, for its card")
    add_models_dir(command)


def add_import_options(command: ArgumentParser) -> None:
    command.add_argument(
        "file", type=Path, metavar="FILE", help=".keras, .h5, .tflite, .onnx, or the folder of a SavedModel"
    )
    command.add_argument("--name", required=True, help="model name in the registry")
    command.add_argument("--version", type=at_least(1), help="version number; by default the next one")
    command.add_argument(
        "--labels", type=Path, required=True, help="text file with one label per line, in the order of the outputs"
    )
    command.add_argument(
        "--values",
        type=pixel_values,
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
    command.add_argument("--size", type=image_size, help="HEIGHTxWIDTH for a model that takes images of any size")
    add_models_dir(command)
