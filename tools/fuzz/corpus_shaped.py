"""Inputs for versions of other images, with many labels, and for numbers: what their routes and their items cost."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from shared.shapes import Shape
from tests.support.processes import ROOT
from tests.support.uploads import image_file, noise, npy, zipped
from tests.training.importing.made import make_pictures, write_labels
from tools.fuzz.case import BULK, SINGLE, Case, is_asked
from tools.fuzz.corpus_costly import large_pictures, picture, rows, v2_binary
from training.__main__ import main

PHOTOS, LABELS = "costly: photos", "costly: labels"  # the groups that need models of their own
PHOTO_SIDE = 590  # the largest that one image may have in colour
MANY_LABELS, LABEL_CHARS = 10_000, 200
PHOTO, NAMES = "/models/photo/classify", "/models/names/classify"
V1_NAMES, V2_NAMES = "/v1/models/names:predict", "/v2/models/names/infer"
NUMBER, NUMBERS = f"{SINGLE}?fit=number", f"{BULK}?fit=number"
STRINGS, DIGITS = 1000, 16  # the most that ?among= may have


def make_registry(folder: Path, only: Sequence[str]) -> Path:
    """Return a registry with our own models, `photo` with the largest images, and `names` with the most labels.

    Making these takes half a minute, so they are left out if `only` selects no group that needs them.
    """
    if not (is_asked(PHOTOS, only) or is_asked(LABELS, only)):
        return ROOT / "models"
    models = folder / "models"
    models.mkdir()
    for model in (ROOT / "models").iterdir():
        (models / model.name).symlink_to(model)
    _import(models, "photo", (PHOTO_SIDE, PHOTO_SIDE, 3), ("a", "b", "c"))
    _import(models, "names", (28, 28, 1), [f"{number:0{LABEL_CHARS}}" for number in range(MANY_LABELS)])
    return models


def _import(models: Path, name: str, shape: Shape, labels: Sequence[str]) -> None:
    """Import a version that averages large parts of the picture."""
    import keras  # takes seconds

    side = shape[0] // 4
    parts = [keras.layers.AveragePooling2D(side), keras.layers.Flatten()]
    answer = keras.layers.Dense(len(labels), activation="softmax")
    file = models.parent / f"{name}.keras"
    keras.Sequential([keras.Input(shape), *parts, answer]).save(file)
    text = write_labels(models.parent / f"{name}.txt", *labels)
    command = ["import", str(file), "--name", name, "--labels", str(text), "--values", "0..1"]
    if main([*command, "--models-dir", str(models)]):
        raise SystemExit(f"{file} cannot be imported")


def photos() -> Iterator[Case]:
    group = PHOTOS
    for how in ("stretch", "crop", "pad"):
        for name, body in large_pictures():
            yield Case(group, f"{how}: {name}", body, f"{PHOTO}?resize={how}", harmless=True)
    exact = make_pictures(1, PHOTO_SIDE, PHOTO_SIDE, 3)[0]
    yield Case(group, "PNG, 590×590, noise", image_file(exact), PHOTO, harmless=True)
    array = npy(np.zeros((60, PHOTO_SIDE, PHOTO_SIDE, 3), np.uint8))
    yield Case(group, "npy, 60 MiB", array, f"{PHOTO}/bulk", harmless=True)
    archive = zipped((f"{n}.png", picture("RGBA")) for n in range(30))
    yield Case(group, "zip, 30 large pictures", archive, f"{PHOTO}/bulk?resize=pad", harmless=True)


def many_labels() -> Iterator[Case]:
    group = LABELS
    yield Case(group, "the best 100", image_file(noise(1)[0]), f"{NAMES}?top=100", harmless=True)
    array = npy(noise(10_000))
    yield Case(group, "10,000 images, the best 100", array, f"{NAMES}/bulk?top=100", harmless=True, reads_items=True)
    for count in (100, 5000):
        body = b'{"instances": [' + b",".join([rows(0.001)] * count) + b"]}"
        yield Case(group, f"JSON, {count} images", body, V1_NAMES, harmless=True)
    body, split = v2_binary("u1", "UINT8", 29)
    headers = {"Inference-Header-Content-Length": str(split)}
    yield Case(group, "UINT8, 29 MiB", body, V2_NAMES, harmless=True, headers=headers)


def number_picture(text: str, spacing_px: int) -> Image.Image:
    image = Image.new("L", (2600, 200), 255)
    draw, font, left = ImageDraw.Draw(image), ImageFont.load_default(90), 40
    for digit in text:
        draw.text((left, 40), digit, 0, font)
        left += round(draw.textlength(digit, font)) + spacing_px
    return image


def numbers() -> Iterator[Case]:
    group = "costly: numbers"
    rng = random.Random(1)
    among = "&among=" + ",".join({"".join(rng.choices("0123456789", k=DIGITS)) for _ in range(STRINGS)})
    pictures = [
        (f"{text[:2]}… {spacing_px} px apart", image_file(number_picture(text, spacing_px)))
        for text in ("80" * 8, "1" * 24, "0123456789" * 2)
        for spacing_px in (-15, 0, 15)
    ]
    for name, body in (*pictures, *large_pictures()):
        yield Case(group, name, body, NUMBER, harmless=True)
        yield Case(group, f"among {STRINGS}: {name}", body, NUMBER + among, harmless=True)
    archive = zipped((f"{n}.png", pictures[n % len(pictures)][1]) for n in range(20))
    for path, name in ((NUMBERS, "20 numbers"), (NUMBERS + among, f"20 numbers among {STRINGS}")):
        yield Case(group, name, archive, path, harmless=True, reads_items=True)


def thresholds() -> Iterator[Case]:
    body = npy(noise(3_000))
    yield Case("costly: accept", "3,000 unsure", body, f"{BULK}?accept=1", harmless=True, reads_items=True)


SHAPED: Mapping[str, Callable[[], Iterator[Case]]] = {
    "costly: photos": photos,
    "costly: labels": many_labels,
    "costly: numbers": numbers,
    "costly: accept": thresholds,
}
