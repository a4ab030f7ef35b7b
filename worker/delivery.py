"""An entry that a worker holds, and the slices of it that form batches."""

import threading
from dataclasses import dataclass, field

import numpy as np

from shared.answers import Scores, Stages
from shared.contract.block import NO_PREDICTION, FinalState
from shared.contract.entry import Entry
from shared.contract.lane import Lane
from shared.images import CLASSES, Images, Probabilities


@dataclass(slots=True, eq=False)
class Delivery:
    """An entry as it was delivered to this worker, with the answers that it has so far."""

    entry: Entry
    stream: str
    lane: Lane
    entry_id: bytes
    attempt: int = 1
    taken: int = 0  # images handed to batches
    answered: int = 0  # images with an answer
    faults: dict[int, tuple[FinalState, str]] = field(default_factory=dict)
    set_aside: list[int] = field(default_factory=list)  # positions that become dead letters
    layers: bytes = b""  # the blob, of a verbose entry
    queue_ms: float = 0.0
    model_ms: float = 0.0
    surplus_bytes: int = 0  # that an unreadable entry had on its stream, beyond the pixels of its images
    batch_images: int = 0
    answering: threading.Lock = field(default_factory=threading.Lock)  # several threads may run slices of it
    predictions: np.ndarray = field(init=False)
    probabilities: Probabilities = field(init=False)
    scores: Scores | None = None  # float32[n], of a version with an acceptance rule
    stages: Stages | None = None  # uint8[n], of a cascade

    def __post_init__(self) -> None:
        self.predictions = np.full(self.entry.count, NO_PREDICTION, np.uint8)
        self.probabilities = np.zeros((self.entry.count, CLASSES), np.float32)

    @property
    def is_suspect(self) -> bool:
        """Return whether the entry may have killed a worker. It is then run alone, image by image."""
        return self.attempt > 1

    @property
    def is_alone(self) -> bool:
        """Return whether the entry is a batch of its own."""
        return self.attempt > 1 or self.entry.verbose

    @property
    def complete(self) -> bool:
        return self.answered == self.entry.count


@dataclass(frozen=True, slots=True)
class Slice:
    """Images `start` to `stop` of one delivery."""

    delivery: Delivery
    start: int
    stop: int

    @property
    def count(self) -> int:
        return self.stop - self.start

    @property
    def images(self) -> Images:
        """uint8[count,28,28], a view."""
        return self.delivery.entry.images[self.start : self.stop]
