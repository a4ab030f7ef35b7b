"""The commands `classify` and `dataset`, which handle single images."""

import argparse
import contextlib
import errno
import json
import os
import sys
from pathlib import Path

from mnistified.client import Client
from mnistified.commands.drawing import draw
from mnistified.commands.exit_codes import OK, SOME_FAILED, USAGE, for_the_command_line, printable
from mnistified.errors import ServiceError
from mnistified.options import ClassifyOptions
from mnistified.results import Result
from mnistified.uploads.png import read_png

STDIO = "-"
MAX_FILE_BYTES = 256 << 20  # far above any photo
IMAGE_STATUSES = (400, 413, 500, 504)  # errors that concern one image, so that the command continues with the next one


def classify(client: Client, arguments: argparse.Namespace) -> int:
    """Classify images in order. Print failed images to stderr and continue with the next one."""
    if arguments.show and arguments.fit != "digit":
        raise ValueError("--show needs --fit: it draws the image that --fit produced")
    options: ClassifyOptions = {**options_of(arguments), "among": read_among(arguments)}
    exit_code = OK
    for name in arguments.images:
        failed = SOME_FAILED
        try:
            image = _read(name)
            result = client.classify(image, **options)
        except OSError as error:
            reason, failed = error.strerror or str(error), USAGE
        except ServiceError as error:
            if error.status not in IMAGE_STATUSES:
                raise
            reason = for_the_command_line(error.detail)
        else:
            print(_describe(name, result, arguments.json, arguments.top), flush=True)
            if arguments.show and result.fitted and not arguments.json:
                _draw(result.fitted)
            continue
        exit_code = max(exit_code, failed)
        if arguments.json:
            print(json.dumps({"file": name, "error": reason}), flush=True)
        print(f"mnistified: {printable(name)}: {reason}", file=sys.stderr)
    return exit_code


def _read(name: str) -> bytes:
    """Return the bytes of a file, or of the standard input. Raises OSError, also for an endless one."""
    if not name:
        raise FileNotFoundError(errno.ENOENT, "an empty file name")
    with contextlib.nullcontext(sys.stdin.buffer) if name == STDIO else open(name, "rb") as file:
        image = file.read(MAX_FILE_BYTES + 1)
    if len(image) > MAX_FILE_BYTES:
        raise OSError(errno.EFBIG, f"larger than {MAX_FILE_BYTES >> 20} MiB")
    return image


def options_of(arguments: argparse.Namespace) -> ClassifyOptions:
    """Return the options that all commands which classify have in common."""
    return {
        "model": arguments.model,
        "fit": arguments.fit or False,
        "accept": arguments.accept,
        "resize": arguments.resize,
        "top": arguments.top,
    }


def read_among(arguments: argparse.Namespace) -> list[str] | None:
    """Return the valid strings in the file of `--among`, or None without it. Raises ValueError or OSError."""
    if arguments.among is None:
        return None
    if arguments.fit != "number":
        raise ValueError("--among needs --fit number: it has the valid strings of a number")
    strings = Path(arguments.among).read_text("utf-8-sig").replace(",", " ").split()
    if not strings:
        raise ValueError(f"--among: {arguments.among} has no strings; expected one per line")
    return strings


def _describe(name: str, result: Result, as_json: bool, top: int | None) -> str:
    if as_json:
        return json.dumps({"file": name, **result.raw})
    name = printable(name)
    if result.text is not None:
        return f"{name}: {result.text} ({result.confidence:.1%})"
    if result.prediction is None:
        guesses = [f"{guess.text or guess.prediction} ({guess.confidence:.1%})" for guess in result.guesses]
        return f"{name}: unsure" + (f", perhaps {' or '.join(guesses)}" if guesses else "")
    if top is not None:
        return f"{name}: {', '.join(f'{best.label} ({best.probability:.1%})' for best in result.best)}"
    confidence = max(result.probabilities) if result.confidence is None else result.confidence
    return f"{name}: {result.label} ({confidence:.1%})"


def dataset(client: Client, arguments: argparse.Namespace) -> int:
    """Print the label of a test image, and write or draw the image."""
    image, label, name = client.test_image(arguments.index)
    if arguments.out:
        Path(arguments.out).write_bytes(image)
    if arguments.json:
        print(json.dumps({"index": arguments.index, "label": label, "dataset": name}))
        return OK
    print(f"test image {arguments.index} of {name}: {label}")
    if arguments.show:
        _draw(image)
    return OK


def _draw(png: bytes) -> None:
    print(draw(*read_png(png), colour=sys.stdout.isatty() and "NO_COLOR" not in os.environ), flush=True)
