"""The entries a worker holds, and the batches that form from them: interactive first, bulk fills up."""

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from shared.block import NO_PREDICTION, FinalState
from shared.entry import Entry
from shared.images import CLASSES, Images, Probabilities
from shared.keys import LANES, Lane


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
    set_aside: list[int] = field(default_factory=list)  # positions that killed their workers
    layers: bytes = b""  # the blob, of a verbose entry
    queue_ms: float = 0.0
    model_ms: float = 0.0
    batch_images: int = 0
    answering: threading.Lock = field(default_factory=threading.Lock)  # its slices may be in batches of several threads
    predictions: np.ndarray = field(init=False)
    probabilities: Probabilities = field(init=False)

    def __post_init__(self) -> None:
        self.predictions = np.full(self.entry.count, NO_PREDICTION, np.uint8)
        self.probabilities = np.zeros((self.entry.count, CLASSES), np.float32)

    @property
    def is_suspect(self) -> bool:
        """Whether a worker may have died of it: it is run alone, image by image."""
        return self.attempt > 1

    @property
    def is_alone(self) -> bool:
        """Whether it is a batch of its own."""
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


def next_batch(queues: Mapping[Lane, deque[Delivery]], max_images: int) -> list[Slice]:
    """Take the next batch out of the queues: up to `max_images` images, all of the model of the first entry in line.

    Entries of another model keep their place. Every image is taken once, in order within its entry. A suspect is a
    batch of its own, whole, and so is a verbose entry.
    """
    first = next((queues[lane][0] for lane in LANES if queues[lane]), None)
    if first is None:
        return []
    if first.is_alone:
        queues[first.lane].popleft()
        first.taken = first.entry.count
        return [Slice(first, 0, first.entry.count)]
    batch: list[Slice] = []
    room = max_images
    for lane in LANES:
        kept: deque[Delivery] = deque()
        while queues[lane] and room:
            delivery = queues[lane].popleft()
            if delivery.is_alone or delivery.entry.model != first.entry.model:
                kept.append(delivery)
                continue
            start = delivery.taken
            delivery.taken = min(start + room, delivery.entry.count)
            room -= delivery.taken - start
            batch.append(Slice(delivery, start, delivery.taken))
            if delivery.taken < delivery.entry.count:
                kept.append(delivery)
        queues[lane].extendleft(reversed(kept))
    return batch


class Backlog:
    """The deliveries that no batch has taken whole, shared by the threads that pull and those that run models."""

    def __init__(self, room_images: Mapping[Lane, int]) -> None:
        self._room_images = room_images
        self._queues: dict[Lane, deque[Delivery]] = {lane: deque() for lane in LANES}
        self._waiting_images: dict[Lane, int] = dict.fromkeys(LANES, 0)
        lock = threading.Lock()
        self._arrived = threading.Condition(lock)
        self._room = threading.Condition(lock)
        self._closed = False

    def put(self, deliveries: list[Delivery]) -> None:
        with self._arrived:
            for delivery in deliveries:
                self._queues[delivery.lane].append(delivery)
                self._waiting_images[delivery.lane] += delivery.entry.count
            self._arrived.notify(len(deliveries))  # no more threads than there may be batches

    def take(self, max_images: int) -> list[Slice]:
        """The next batch; blocks until there is one. Empty once the backlog is closed and nothing is left."""
        with self._arrived:
            self._arrived.wait_for(lambda: any(self._queues.values()) or self._closed)
            batch = next_batch(self._queues, max_images)
            for part in batch:
                self._waiting_images[part.delivery.lane] -= part.count
            if any(self._queues.values()):
                self._arrived.notify()
            self._room.notify_all()
            return batch

    def wait_for_room(self, lane: Lane) -> bool:
        """Block until fewer than the lane's images wait; False once the backlog is closed."""
        with self._room:
            self._room.wait_for(lambda: self._closed or self._waiting_images[lane] < self._room_images[lane])
            return not self._closed

    def close(self) -> None:
        """Let what waits be taken, and nobody wait any longer."""
        with self._arrived:
            self._closed = True
            self._arrived.notify_all()
            self._room.notify_all()
