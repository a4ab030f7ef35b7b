"""The measurements on labelled examples that an imported version has on its card."""

import os
from dataclasses import dataclass
from pathlib import Path

from shared.contract.model_card import ModelCard
from shared.contract.model_spec import ModelSpec
from shared.models.temperature import scale
from training.data.examples import read_examples
from training.fitting.temperature import fit_temperature
from training.publishing import card
from training.qa import golden
from worker.engine import load_engine

MIN_FITTED_IMAGES = 100  # fewer say nothing about confidence
CHANCE = 1.5  # an accuracy below this many times that of guessing hints at wrong values or labels


@dataclass(frozen=True, slots=True)
class Judged:
    """Fields for the card, and sentences for the user."""

    fields: ModelCard
    sentences: list[str]


def judge(folder: Path, spec: ModelSpec, directory: Path) -> Judged:
    """Measure the version in `directory`, which has its card, on the pictures of `folder`. Write its golden images.

    Blocks while all pictures are classified. Raises DatasetError like `read_examples`.
    """
    examples = read_examples(folder, spec)
    engine = load_engine("litert", directory, threads=os.cpu_count() or 1)
    probabilities = engine.predict(examples.images).probabilities
    fields: ModelCard = {}
    sentences = []
    if len(examples.images) >= MIN_FITTED_IMAGES:
        fields["temperature"] = fit_temperature(probabilities, examples.labels)
        probabilities = scale(probabilities, fields["temperature"])
        sentences.append(f"calibrated: temperature {fields['temperature']}")
    else:
        sentences.append(f"not calibrated, which takes at least {MIN_FITTED_IMAGES} examples")
    quality = card.describe_quality(probabilities, examples, engine.kind)
    accuracy = quality["accuracy"]
    low, high = accuracy["interval_95"]
    sentences.append(
        f"{accuracy['correct']} of {accuracy['images']} examples are classified correctly, "
        f"{accuracy['accuracy']:.2%} (95 % interval {low:.2%} to {high:.2%})"
    )
    if accuracy["accuracy"] < CHANCE / len(spec.labels):
        sentences.append("that is hardly better than guessing: check --values, and the order of the labels")
    images, labels = golden.choose(examples.images, examples.labels, probabilities)
    if len(images):
        golden.write_file(directory, images, labels)
        sentences.append(f"{len(images)} examples are golden images, which later versions must classify correctly")
    # The gate expects of a later version what chance allows for this one.
    return Judged({**quality, **fields, "floor": round(low, 4)}, sentences)
