"""`classify` and `dataset`: images one by one."""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from mnistified.client import Client
from mnistified.commands.drawing import draw
from mnistified.commands.exits import OK, SOME_FAILED
from mnistified.errors import ServiceError
from mnistified.results import Result
from mnistified.uploads.png import read_png

STDIO = "-"
IMAGE_STATUSES = (400, 413, 500, 504)  # of one image; the next one may fare better


def classify(client: Client, arguments: argparse.Namespace) -> int:
    """In order; an image that has no answer is told of on stderr, and the others go on."""
    if arguments.show and not arguments.fit:
        raise ValueError("--show draws what --fit has made, which was not asked for")
    exit_code = OK
    for name in arguments.images:
        try:
            image = sys.stdin.buffer.read() if name == STDIO else Path(name).read_bytes()
            result = client.classify(image, model=arguments.model, fit=arguments.fit)
        except OSError as error:
            reason = error.strerror or str(error)
        except ServiceError as error:
            if error.status not in IMAGE_STATUSES:
                raise
            reason = error.detail
        else:
            print(_told(name, result, arguments.json), flush=True)
            if arguments.show and result.fitted and not arguments.json:
                _draw(result.fitted)
            continue
        exit_code = SOME_FAILED
        if arguments.json:
            print(json.dumps({"file": name, "error": reason}), flush=True)
        print(f"mnistified: {name}: {reason}", file=sys.stderr)
    return exit_code


def _told(name: str, result: Result, as_json: bool) -> str:
    if as_json:
        return json.dumps({"file": name, **result.raw})
    return f"{name}: {result.prediction} ({max(result.probabilities):.1%})"


def dataset(client: Client, arguments: argparse.Namespace) -> int:
    image, label, name = client.test_image(arguments.index)
    if arguments.out:
        Path(arguments.out).write_bytes(image)
    told: dict[str, Any] = {"index": arguments.index, "label": label, "dataset": name}
    if arguments.json:
        print(json.dumps(told))
        return OK
    print(f"test image {arguments.index} of {name}: {label}")
    if arguments.show:
        _draw(image)
    return OK


def _draw(png: bytes) -> None:
    print(draw(*read_png(png), colour=sys.stdout.isatty() and "NO_COLOR" not in os.environ), flush=True)
