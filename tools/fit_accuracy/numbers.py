"""`python -m tools.fit_accuracy.numbers`: how often whole numbers are read in pictures that the project draws.

The pictures come from hands that no parameter was fitted with: MNIST's test images, the written strokes of
`rendered.py`, and Pillow's own font. `--fitting` draws them with the hands of fitting instead: MNIST's training images
and the fonts of training.
"""

import argparse
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

from PIL import Image

from api.images.fit import limited_grey
from api.images.number import number_grey
from shared.contract.job import NumberLine
from shared.errors import BadImage
from shared.images import Images
from shared.models import registry
from shared.numbers.guesses import best_guesses
from shared.numbers.reading import window_outputs
from shared.numbers.roster import roster_of
from shared.shapes import NUMBER_MODEL
from tools.fit_accuracy.hands import fitting_hand, judging_hand
from tools.fit_accuracy.number_pictures import NUMBER_KINDS, NumberPicture, number_picture, random_number
from worker.engine import Engine, load_engine

SEED = 2026
MAX_PIXELS = 1 << 24
VALID_STRINGS = 200
THRESHOLDS = (0.5, 0.7, 0.8, 0.9, 0.95, 0.99)  # shown for comparison


class Outcome(NamedTuple):
    """The best guess for a number: its confidence, and whether it is right, alone and among valid strings."""

    right: bool
    confidence: float
    among_right: bool


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.fit_accuracy.numbers", description=__doc__)
    parser.add_argument("--count", type=int, default=600, help="number of pictures (default: 600)")
    parser.add_argument("--seed", type=int, default=SEED, help=f"random seed (default: {SEED})")
    parser.add_argument("--fitting", action="store_true", help="draw with the hands that parameters are fitted with")
    parser.add_argument("--model", default=NUMBER_MODEL, help="version (default: the latest of the model `number`)")
    parser.add_argument("--models-dir", type=Path, default=Path("models"), help="registry folder")
    parser.add_argument("--accept", type=float, help="confidence below which a number is unsure, instead of the rule's")
    options = parser.parse_args()
    random = Random(options.seed)
    version = registry.load_version(options.models_dir, options.model)
    engine = load_engine("litert", version.directory, threads=1)
    rule = options.accept or version.card["acceptance"]["threshold"]
    outcomes: dict[str, list[Outcome]] = {}
    for picture in _pictures(options.count, random, options.fitting):
        outcome = _outcome(picture, engine, random)
        for name in ("all", picture.kind, f"{len(picture.text)} digits"):
            outcomes.setdefault(name, []).append(outcome)
    print(f"{'numbers of 2 to 6 digits':28}{'right':>9}{'wrong':>9}{'unsure':>9}{f'among {VALID_STRINGS}':>12}")
    for name in ("all", *NUMBER_KINDS, *sorted(name for name in outcomes if name.endswith("digits"))):
        if name in outcomes:
            _print(name, outcomes[name], rule)
    for threshold in THRESHOLDS:
        _print(f"all, with a threshold of {threshold}", outcomes["all"], threshold)


def _outcome(picture: NumberPicture, engine: Engine, random: Random) -> Outcome:
    valid = roster_of(_valid_strings(picture.text, random))
    divided = _divided(picture)
    if divided is None:
        return Outcome(False, 0.0, False)
    line, windows = divided
    answers = engine.predict(windows)
    assert answers.scores is not None
    views = window_outputs(line, answers.probabilities, answers.scores)
    text, confidence = best_guesses(views, None)[0]
    return Outcome(text == picture.text, confidence if text else 0.0, best_guesses(views, valid)[0][0] == picture.text)


def _print(name: str, outcomes: Sequence[Outcome], threshold: float) -> None:
    accepted = [each for each in outcomes if each.confidence >= threshold]
    right, unsure = sum(each.right for each in accepted) / len(outcomes), 1 - len(accepted) / len(outcomes)
    among = sum(each.among_right for each in outcomes) / len(outcomes)
    print(f"{name:28}{right:9.1%}{1 - right - unsure:9.1%}{unsure:9.1%}{among:12.1%}")


def _pictures(count: int, random: Random, fitting: bool) -> Iterator[NumberPicture]:
    for index in range(count):
        hand = (fitting_hand if fitting else judging_hand)(random)
        yield number_picture(random_number(random), NUMBER_KINDS[index % len(NUMBER_KINDS)], hand, random)


def _divided(picture: NumberPicture) -> tuple[NumberLine, Images] | None:
    with Image.open(io.BytesIO(picture.file)) as image:
        grey = limited_grey(image, picture.file, MAX_PIXELS)
    try:
        return number_grey(grey)
    except BadImage:
        return None


def _valid_strings(text: str, random: Random) -> list[str]:
    """Return the number among others, most of them of the same length."""
    strings = {text}
    most = min(VALID_STRINGS, 9 * 10 ** (len(text) - 1) // 2)
    while len(strings) < VALID_STRINGS:
        same = len(strings) < most
        strings.add(f"{random.randrange(10 ** len(text)):0{len(text)}}" if same else random_number(random))
    return sorted(strings)


if __name__ == "__main__":
    main()
