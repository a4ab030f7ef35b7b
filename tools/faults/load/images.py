"""The images of the load, honest and poisoned, and the engine's own answers."""

import os
from dataclasses import dataclass

import numpy as np

from shared.config.settings import load_settings
from shared.data.dataset import find_mnist_dir, load_split
from shared.images import Images
from tests.support.registries import DEFAULT
from tests.support.uploads import image_file, npy
from tools.faults.account import Oracle
from tools.faults.system.poison import FAULTS, Fault, poisoned
from worker.engine import load_engine

HONEST = 200
WILL_NOT_LOAD = "will not load"
DIED = "no worker survived"
REASONS: dict[Fault, str] = {
    "raises": "this image is poisoned",
    "nan": "finite",
    "wrong-length": "answered",
    "hangs": DIED,
    "dies": DIED,
    "freezes": DIED,
}


@dataclass(frozen=True, slots=True)
class Pictures:
    """The images for one model, uint8[N,H,W] or uint8[N,H,W,3].

    The poisoned ones are the last, and `poisoned` has the number of one image per fault. `model` is empty for the
    default model.
    """

    images: Images
    pngs: list[bytes]
    poisoned: dict[Fault, int]
    oracle: Oracle
    model: str = ""

    @property
    def honest(self) -> int:
        """Return how many images are not poisoned."""
        return len(self.images) - len(self.poisoned)

    def oracle_of(self, model: str) -> Oracle:
        """Return the correct answers of its own model, or of the broken model."""
        if model == self.model:
            return self.oracle
        return Oracle(self.oracle.expected, dict.fromkeys(range(len(self.images)), WILL_NOT_LOAD))

    def npy(self, numbers: list[int]) -> bytes:
        """Return a bulk body of these images."""
        return npy(self.images[numbers])


def make_pictures() -> Pictures:
    """Make the images, and run the engine on them once, in this process."""
    split = load_split("test", find_mnist_dir(load_settings(os.environ).mnist_dir, "test"))
    honest = split.images[:HONEST]
    numbers = {fault: HONEST + position for position, fault in enumerate(FAULTS)}
    images = np.concatenate((honest, np.stack([poisoned(honest[0], fault) for fault in FAULTS])))
    must_fail = {numbers[fault]: REASONS[fault] for fault in FAULTS}
    expected = load_engine("litert", DEFAULT.directory, threads=1).predict(images).probabilities
    return Pictures(images, [image_file(image) for image in images], numbers, Oracle(expected, must_fail))
