"""`python -m tools.abstaining`: how often a version answers what is no digit, and how it does on hard digits.

It also prints what `?accept=` trades: on MNIST's test set, and on pictures that `?fit=digit` has fitted.

Everything is drawn here, by other code, with other fonts and from other MNIST images than what versions are trained on.
An answer counts if its score reaches the threshold of the version's rule; without a rule, every answer counts.
"""

import argparse
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image

from api.images.fit import fit_grey, fit_picture
from mnistified import Client, Refused
from shared.answers import Answers
from shared.config.settings import load_settings
from shared.data.dataset import Split, load_published_split
from shared.errors import BadImage
from shared.images import Images
from shared.models import registry
from shared.shapes import IMAGE_SIDE
from tools.abstaining import group_f, others
from tools.abstaining.curve import print_curve
from tools.fit_accuracy.papers import image_file, placed
from worker.engine import Engine, load_engine

SEED = 1912
MAX_PIXELS = 1 << 24
BOX_PX = 20
GOALS = {  # highest share that may be answered; a kind counts for the goal that its name begins with, or the first one
    "letters, symbols, rings, coins, blanks, noise": 0.03, "scribbles": 0.08, "halves": 0.10, "several": 0.01,
}  # fmt: skip
Read = Callable[[bytes], int | None]  # the digit in an image file, None for `unsure` and for a file without a digit


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.abstaining", description=__doc__)
    parser.add_argument("--model", default="cnn", help="version (default: the latest cnn)")
    parser.add_argument("--models-dir", type=Path, default=Path("models"), help="registry folder")
    parser.add_argument("--count", type=int, default=300, help="pictures of each kind (default: 300)")
    parser.add_argument(
        "--keep", type=Path, help="folder for the images that were answered although they are no digits"
    )
    parser.add_argument("--only", default="", help="judge only kinds whose name begins with this text")
    parser.add_argument("--url", help="service that reads the pictures of group F, instead of this process")
    options = parser.parse_args()
    test = load_published_split("test", load_settings(os.environ).mnist_dir)
    version = registry.load_version(options.models_dir, options.model)
    engine = load_engine("litert", version.directory, threads=1)
    print(f"{version.ref}: {options.count} pictures of each kind, half of them fitted with ?fit=digit")
    if not options.only:
        _judge_test_set(engine, test)
        _judge_fitted(engine, test, 5 * options.count)
    _judge_others(engine, test, options)
    _judge_group_f(_service(options.url, version.ref) if options.url else _in_process(engine), options)


def accepted(engine: Engine, images: Images) -> tuple[np.ndarray, np.ndarray]:
    """Return the labels int64[N], and which of them the rule accepts: bool[N]."""
    answers = engine.predict(images)
    rule = engine.spec.acceptance
    every = np.ones(len(images), np.bool_)
    if rule is not None and answers.scores is not None:
        every = answers.scores >= rule.threshold
    return answers.probabilities.argmax(1), every


def _judge_test_set(engine: Engine, test: Split) -> None:
    answers = engine.predict(test.images)
    right = answers.probabilities.argmax(1) == test.labels
    print(f"MNIST test set: {right.sum()} right")
    if answers.scores is not None:
        print_curve(answers, test, engine.rule)


def _judge_fitted(engine: Engine, test: Split, count: int) -> None:
    """Print what `?accept=` trades for pictures of MNIST test digits on paper. One without a digit found is lost."""
    random = Random(f"{SEED} fitted digits")
    rows = random.sample(range(len(test.labels)), min(count, len(test.labels)))
    found = [_image(partial(_digit, row), random, test, fitted=True) for row in rows]
    images = np.stack([np.zeros((IMAGE_SIDE, IMAGE_SIDE), np.uint8) if image is None else image for image in found])
    answers = engine.predict(images)
    labels = test.labels[rows]
    missed = np.array([image is None for image in found], np.bool_)
    right = (answers.probabilities.argmax(1) == labels) & ~missed
    print(f"{len(rows)} of these on paper, with ?fit=digit: {right.sum()} right, no digit found in {missed.sum()}")
    if answers.scores is not None:
        scores = np.where(missed, np.float32(-1), answers.scores)
        print_curve(Answers(answers.probabilities, scores), Split(test.name, images, labels), engine.rule, rows)


def _digit(row: int, random: Random, split: Split) -> Image.Image:
    """Return the digit in a row of the test set, large enough for a picture."""
    digit = Image.fromarray(split.images[row])
    return digit.resize((8 * IMAGE_SIDE, 8 * IMAGE_SIDE), Image.Resampling.BICUBIC)


def _judge_others(engine: Engine, test: Split, options: argparse.Namespace) -> None:
    count, keep = options.count, options.keep
    shares: dict[str, list[float]] = {}
    for kind in filter(lambda kind: kind.startswith(options.only), others.KINDS):
        random = Random(f"{SEED} {kind}")
        drawn = [_image(others.KINDS[kind], random, test, fitted=index % 2 == 1) for index in range(count)]
        images = np.stack([image for image in drawn if image is not None])
        labels, taken = accepted(engine, images)
        answered = taken.sum() / count
        fitted = np.array([index % 2 == 1 for index, image in enumerate(drawn) if image is not None], np.bool_)
        print(
            f"{kind:20} {answered:8.2%} answered as a digit ({2 * (taken & ~fitted).sum() / count:.1%} as 28×28, "
            f"{2 * (taken & fitted).sum() / count:.1%} fitted); no digit found in {count - len(images)} of {count}",
            flush=True,
        )
        if keep:
            _keep(keep, kind, images[taken], labels[taken])
        goal = next((goal for goal in GOALS if kind.startswith(goal)), next(iter(GOALS)))
        shares.setdefault(goal, []).append(float(answered))
    for goal, each in shares.items():
        print(f"{goal}: {np.mean(each):.2%} answered, at most {GOALS[goal]:.0%} expected")


def _keep(folder: Path, kind: str, images: Images, labels: np.ndarray) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        Image.fromarray(image).save(folder / f"{kind}-{index}-as-{label}.png")


def _image(draw: others.Draw, random: Random, test: Split, fitted: bool) -> Images | None:
    """Return uint8[28,28], or None if `fit` finds no digit."""
    drawn = draw(random, test)
    try:
        if isinstance(drawn, np.ndarray):
            return fit_grey(np.kron(drawn, np.ones((6, 6))).astype(np.float32)) if fitted else drawn
        if fitted:
            picture = image_file(placed(drawn, 480, 640, random), random.choice(("photo", "scan", "board")), random)
            return np.frombuffer(fit_picture(picture, MAX_PIXELS), np.uint8).reshape(IMAGE_SIDE, IMAGE_SIDE)
    except BadImage:
        return None
    return _small(drawn, random)


def _small(glyph: Image.Image, random: Random) -> Images:
    """Return uint8[28,28]: the glyph in a box of 20×20, about in the middle."""
    glyph = glyph.crop(glyph.getbbox())
    scale = BOX_PX / max(glyph.size)
    glyph = glyph.resize(
        (max(1, round(glyph.width * scale)), max(1, round(glyph.height * scale))), Image.Resampling.BOX
    )
    image = Image.new("L", (IMAGE_SIDE, IMAGE_SIDE))
    shift = (random.randint(-1, 1), random.randint(-1, 1))
    image.paste(glyph, ((IMAGE_SIDE - glyph.width) // 2 + shift[0], (IMAGE_SIDE - glyph.height) // 2 + shift[1]))
    return np.asarray(image)


def _in_process(engine: Engine) -> Read:
    """Return a reader that fits a picture and runs the engine in this process."""

    def read(data: bytes) -> int | None:
        try:
            image = np.frombuffer(fit_picture(data, MAX_PIXELS), np.uint8).reshape(1, IMAGE_SIDE, IMAGE_SIDE)
        except BadImage:
            return None
        labels, taken = accepted(engine, image)
        return int(labels[0]) if taken[0] else None

    return read


def _service(url: str, model: str) -> Read:
    """Return a reader that sends a picture to a running service. It raises the errors of the client."""
    client = Client(url)

    def read(data: bytes) -> int | None:
        try:
            return client.classify(data, model=model, fit="digit").prediction
        except Refused as error:
            if error.status == 400:
                return None
            raise

    return read


def _judge_group_f(read: Read, options: argparse.Namespace) -> None:
    rights, wrongs = [], []
    count = options.count // 3
    for kind in filter(lambda kind: kind.startswith(options.only), group_f.KINDS):
        random = Random(f"{SEED} {kind}")
        answers = []
        for number in range(count):
            data, digit = group_f.picture(kind, random)
            answers.append((digit, read(data)))
            if options.keep and answers[-1][1] not in (digit, None):
                options.keep.mkdir(parents=True, exist_ok=True)
                (options.keep / f"{kind}-{number}-{digit}-as-{answers[-1][1]}.jpg").write_bytes(data)
        rights.append(np.mean([digit == answer for digit, answer in answers]))
        wrongs.append(np.mean([answer not in (digit, None) for digit, answer in answers]))
        print(f"{kind:20} {rights[-1]:8.2%} right, {1 - wrongs[-1]:8.2%} right or unsure", flush=True)
    if rights:
        print(
            f"group F: {np.mean(rights):.2%} right, 92% expected; "
            f"{1 - np.mean(wrongs):.2%} right or unsure, 99% expected"
        )


if __name__ == "__main__":
    main()
