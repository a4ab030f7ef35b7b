"""`python -m tools.abstaining.floor`: the fewest wrong answers that published networks leave among the accepted ones.

All networks answer all images of MNIST's test set, also those of later stages. The score of an image is the largest
mean probability of a label, so all images are lost to doubt between two digits, and none to the output for none of the
labels. A version made of these networks cannot be expected to do better. The wrong answers that are left with
LISTED lost are printed one by one.
"""

import argparse
import os
from pathlib import Path

import numpy as np

from shared.answers import Answers
from shared.config.settings import load_settings
from shared.data.dataset import Split, load_published_split
from shared.images import Images, Probabilities
from shared.models import registry
from tools.abstaining.curve import rows
from training.data.label_errors import CORRECTED
from worker.engine import load_engine

LOST = (0.003, 0.004, 0.005, 0.0075, 0.01)  # shares of the images
LISTED = 0.005


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.abstaining.floor", description=__doc__)
    parser.add_argument("models", nargs="+", metavar="NAME@VERSION", help="versions whose networks answer together")
    parser.add_argument("--models-dir", type=Path, default=Path("models"), help="registry folder")
    options = parser.parse_args()
    test = load_published_split("test", load_settings(os.environ).mnist_dir)
    directories = [registry.load_version(options.models_dir, model).directory for model in options.models]
    networks = [answers for directory in directories for answers in _answers_of(directory, test.images)]
    mean = np.mean(networks, axis=0)
    print(f"{len(networks)} networks: {(mean.argmax(1) == test.labels).sum()} right")
    scores = mean.max(1)
    for lost in LOST:
        threshold = float(np.sort(scores)[int(lost * len(scores))])
        ((_, share, wrong, mislabelled),) = rows(Answers(mean, scores), test, [threshold])
        print(f"{share:.2%} lost: {wrong} accepted and wrong, {mislabelled} of them known label errors")
        if lost == LISTED:
            _list(mean, test, threshold)


def _list(mean: Probabilities, test: Split, threshold: float) -> None:
    """Print the images whose wrong answers have at least the score `threshold`, the least sure ones first."""
    answers, scores = mean.argmax(1), mean.max(1)
    for row in sorted(np.flatnonzero((scores >= threshold) & (answers != test.labels)), key=scores.__getitem__):
        known = ", a known label error" if row in CORRECTED else ""
        print(f"  image {row}: label {test.labels[row]}, read as {answers[row]} with {scores[row]:.2f}{known}")


def _answers_of(directory: Path, images: Images) -> list[Probabilities]:
    """Return the answers float32[N,K] of each network of a version, relative to its labels."""
    engine = load_engine("litert", directory, threads=1)
    labels = [network.predict(images)[:, : len(engine.spec.labels)] for network in engine.networks]
    return [each / np.maximum(each.sum(1, keepdims=True), np.finfo(np.float32).tiny) for each in labels]


if __name__ == "__main__":
    main()
