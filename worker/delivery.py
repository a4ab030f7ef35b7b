"""An entry that a worker holds, and the slices of it that form batches."""

import threading
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

import msgspec
import numpy as np
import numpy.typing as npt

from shared.answers import Answers, Scores, Stages
from shared.contract.block import NO_PREDICTION, FinalState, keep_best, kept_labels
from shared.contract.entry import THRESHOLD_OF_CARD, Entry
from shared.contract.lane import Lane
from shared.contract.model_spec import MAX_DENSE_LABELS
from shared.images import Probabilities

Predictions = npt.NDArray[np.uint16]


@lru_cache
def _unanswered(count: int) -> tuple[Predictions, Probabilities]:
    """Return the predictions and probabilities of images without an answer. Entries share them, so do not write."""
    predictions = np.full(count, NO_PREDICTION, np.uint16)
    predictions.setflags(write=False)
    return predictions, np.zeros((count, 0), np.float32)


NO_PREDICTIONS, NO_PROBABILITIES = _unanswered(0)


class Delivery(msgspec.Struct, eq=False):
    """An entry as it was delivered to this worker, with the answers that it has so far.

    It is a msgspec structure because each batch makes some, and making a dataclass takes five times as long.
    """

    entry: Entry
    stream: str
    lane: Lane
    entry_id: bytes
    attempt: int = 1
    taken: int = 0  # images handed to batches
    answered: int = 0  # images with an answer
    faults: dict[int, tuple[FinalState, str]] = {}
    dead_positions: list[int] = []  # positions of the images that become dead letters
    layers: bytes = b""  # the blob, of a verbose entry
    queue_ms: float = 0.0
    model_ms: float = 0.0
    surplus_bytes: int = 0  # bytes of an unreadable entry on its stream, in addition to the pixels of its images
    batch_images: int = 0
    answering: threading.Lock = msgspec.field(default_factory=threading.Lock)  # several threads may run its slices
    count: int = 0  # number of images of the entry
    label_count: int = 0  # K, known once an image is answered
    predictions: Predictions = NO_PREDICTIONS  # uint16[n], read-only until an image is answered
    probabilities: Probabilities = NO_PROBABILITIES  # float32[n,K], or float32[n,top] of the best labels
    best: Predictions | None = None  # uint16[n,top], the labels of the probabilities, unless all are kept
    scores: Scores | None = None  # float32[n], of a version with an acceptance rule
    stages: Stages | None = None  # uint8[n], of a cascade
    rule: float = 0.0  # the version's own threshold of scores, 0 without a rule
    unsure_numbers: Sequence[int] = ()  # positions among the items of an entry of numbers

    def __post_init__(self) -> None:
        self.count = self.entry.count
        self.predictions, self.probabilities = _unanswered(self.count)

    @property
    def is_suspect(self) -> bool:
        """Return whether the entry may have killed a worker. It is then run alone, image by image."""
        return self.attempt > 1

    @property
    def is_alone(self) -> bool:
        """Return whether the entry is a batch of its own."""
        return self.attempt > 1 or self.entry.verbose

    @property
    def accept(self) -> float:
        """Return the score from which an answer is accepted, 0 if all are."""
        return self.rule if self.entry.accept == THRESHOLD_OF_CARD else self.entry.accept or 0.0

    def answer(self, positions: slice | Sequence[int], predictions: Predictions, answers: Answers) -> None:
        """Write the answers of the images at `positions`. Hold `answering`.

        A version without an acceptance rule gets scores if the request brings a threshold of its own.
        """
        count, labels = self.count, answers.probabilities.shape[1]
        if not labels:
            return
        if answers.scores is None and self.entry.accept and self.accept:
            answers = answers._replace(scores=np.maximum.reduce(answers.probabilities, axis=1))
        kept = kept_labels(labels, self.entry.top)
        if not self.label_count:
            self.label_count = labels
            if len(answers.probabilities) == count:  # no copies
                self.predictions, self.probabilities, self.scores, self.stages = predictions, *answers
                if labels > MAX_DENSE_LABELS:
                    self.best, self.probabilities = keep_best(answers.probabilities, kept)
                return
            self.predictions = self.predictions.copy()
            self.probabilities = np.zeros((count, kept), np.float32)
            self.best = np.zeros((count, kept), np.uint16) if labels > MAX_DENSE_LABELS else None
            self.scores = None if answers.scores is None else np.zeros(count, np.float32)
            self.stages = None if answers.stages is None else np.zeros(count, np.uint8)
        self.predictions[positions] = predictions
        if self.best is None:
            self.probabilities[positions] = answers.probabilities
        else:
            self.best[positions], self.probabilities[positions] = keep_best(answers.probabilities, kept)
        if self.scores is not None and answers.scores is not None:
            self.scores[positions] = answers.scores
        if self.stages is not None and answers.stages is not None:
            self.stages[positions] = answers.stages

    @property
    def unsure_items(self) -> int:
        """Return the number of items whose answers are not accepted: an item is an image, or a number."""
        return len(self.unsure_numbers) if self.entry.items else self.unsure_images

    @property
    def unsure_images(self) -> int:
        """Return the number of images whose answers are not accepted. All images of an unsure number count."""
        if self.entry.items:
            return sum(self.entry.items[number] for number in self.unsure_numbers)
        if not self.accept or self.scores is None:
            return 0
        below = np.flatnonzero(self.scores < np.float32(self.accept)).tolist()
        return sum(position not in self.faults for position in below)

    @property
    def item_faults(self) -> Counter[str]:
        """Return how many items have failed or expired: an item is an image, or a number of several images."""
        if not self.entry.items:
            return Counter(state for state, _ in self.faults.values())
        counts, first = Counter[str](), 0
        for images in self.entry.items:
            found = {self.faults[row][0] for row in range(first, first + images) if row in self.faults}
            if found:
                counts["failed" if "failed" in found else found.pop()] += 1
            first += images
        return counts


class Slice(msgspec.Struct, eq=False):
    """Images `start` to `stop` of one delivery."""

    delivery: Delivery
    start: int
    stop: int

    @property
    def count(self) -> int:
        return self.stop - self.start
