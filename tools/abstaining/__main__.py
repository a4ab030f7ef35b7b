"""`python -m tools.abstaining`: how often a version answers what is no digit, and how it does on hard digits.

Everything is drawn here, by other code, with other fonts and from other MNIST images than what versions are trained on.
An answer counts if its score reaches the threshold of the version's rule; without a rule, every answer counts.
"""

import argparse
import os
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image

from api.images.fit import fit_grey, fit_picture
from shared.config.settings import load_settings
from shared.data.dataset import Split, find_mnist_dir, load_split
from shared.errors import BadImage, DatasetError
from shared.images import Images
from shared.models import registry
from shared.shapes import IMAGE_SIDE
from tools.abstaining import group_f, others
from tools.fit_accuracy.rendered import image_file, placed
from worker.engine import Engine, load_engine

SEED = 1912
MAX_PIXELS = 1 << 24
BOX_PX = 20
GOALS = {  # highest share that may be answered
    "letters, symbols, rings, coins, blanks, noise": 0.03, "scribbles": 0.08, "halves": 0.10, "several": 0.01,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.abstaining", description=__doc__)
    parser.add_argument("--model", default="cnn", help="version (default: the latest cnn)")
    parser.add_argument("--models-dir", type=Path, default=Path("models"), help="registry folder")
    parser.add_argument("--count", type=int, default=300, help="pictures of each kind (default: 300)")
    parser.add_argument(
        "--keep", type=Path, help="folder for the images that were answered although they are no digits"
    )
    options = parser.parse_args()
    mnist_dir = find_mnist_dir(load_settings(os.environ).mnist_dir, "test")
    if mnist_dir is None:
        raise DatasetError("MNIST is missing: download it with `make data`")
    test = load_split("test", mnist_dir)
    version = registry.load_version(options.models_dir, options.model)
    engine = load_engine("litert", version.directory, threads=1)
    print(f"{version.ref}: {options.count} pictures of each kind, half of them fitted with ?fit=digit")
    _judge_test_set(engine, test)
    _judge_others(engine, test, options.count, options.keep)
    _judge_group_f(engine, options.count)


def accepted(engine: Engine, images: Images) -> tuple[np.ndarray, np.ndarray]:
    """Return the labels int64[N], and which of them the rule accepts: bool[N]."""
    answers = engine.predict(images)
    rule = engine.spec.acceptance
    every = np.ones(len(images), np.bool_)
    if rule is not None and answers.scores is not None:
        every = answers.scores >= rule.threshold
    return answers.probabilities.argmax(1), every


def _judge_test_set(engine: Engine, test: Split) -> None:
    labels, taken = accepted(engine, test.images)
    right = labels == test.labels
    print(
        f"MNIST test set: {right.sum()} right, {(~taken).mean():.2%} unsure, "
        f"{(taken & ~right).sum()} accepted and wrong"
    )


def _judge_others(engine: Engine, test: Split, count: int, keep: Path | None) -> None:
    shares: dict[str, list[float]] = {}
    for kind in others.KINDS:
        random = Random(f"{SEED} {kind}")
        drawn = [_image(kind, random, test, fitted=index % 2 == 1) for index in range(count)]
        images = np.stack([image for image in drawn if image is not None])
        labels, taken = accepted(engine, images)
        answered = taken.sum() / count
        print(f"{kind:20} {answered:8.2%} answered as a digit; no digit found in {count - len(images)} of {count}")
        if keep:
            _keep(keep, kind, images[taken], labels[taken])
        goal = kind if kind in GOALS else next(iter(GOALS))
        shares.setdefault(goal, []).append(float(answered))
    for goal, each in shares.items():
        print(f"{goal}: {np.mean(each):.2%} answered, at most {GOALS[goal]:.0%} expected")


def _keep(folder: Path, kind: str, images: Images, labels: np.ndarray) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        Image.fromarray(image).save(folder / f"{kind}-{index}-as-{label}.png")


def _image(kind: str, random: Random, test: Split, fitted: bool) -> Images | None:
    """Return uint8[28,28], or None if `fit` finds no digit."""
    drawn = others.KINDS[kind](random, test)
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


def _judge_group_f(engine: Engine, count: int) -> None:
    rights, wrongs = [], []
    for kind in group_f.KINDS:
        random = Random(f"{SEED} {kind}")
        right = wrong = 0
        for _ in range(count // 3):
            data, digit = group_f.picture(kind, random)
            try:
                image = np.frombuffer(fit_picture(data, MAX_PIXELS), np.uint8).reshape(1, IMAGE_SIDE, IMAGE_SIDE)
            except BadImage:
                continue
            labels, taken = accepted(engine, image)
            right += bool(taken[0] and labels[0] == digit)
            wrong += bool(taken[0] and labels[0] != digit)
        rights.append(right / (count // 3))
        wrongs.append(wrong / (count // 3))
        print(f"{kind:20} {rights[-1]:8.2%} right, {1 - wrongs[-1]:8.2%} right or unsure")
    print(
        f"group F: {np.mean(rights):.2%} right, 92% expected; {1 - np.mean(wrongs):.2%} right or unsure, 99% expected"
    )


if __name__ == "__main__":
    main()
