"""The order in which batches form: one lane and version each, and versions take turns."""

from collections import Counter, deque
from collections.abc import Mapping

from shared.contract.lane import LANES, Lane
from worker.delivery import Delivery, Slice


class Queues:
    """Deliveries by lane and version. The version that was least recently in a batch comes first."""

    def __init__(self) -> None:
        self._waiting: dict[Lane, dict[str, deque[Delivery]]] = {lane: {} for lane in LANES}
        self._images: dict[Lane, Counter[str]] = {lane: Counter() for lane in LANES}
        self._last_round: dict[str, int] = {}
        self._rounds = 0

    def __bool__(self) -> bool:
        return any(self._waiting.values())

    def add(self, delivery: Delivery) -> None:
        ref = delivery.entry.model
        self._waiting[delivery.lane].setdefault(ref, deque()).append(delivery)
        self._images[delivery.lane][ref] += delivery.count

    def has(self, lane: Lane) -> bool:
        """Return whether any image of the lane waits."""
        return bool(self._waiting[lane])

    def images_of(self, lane: Lane, ref: str) -> int:
        """Return the number of waiting images of a version."""
        return self._images[lane].get(ref, 0)

    def images(self, lane: Lane) -> Mapping[str, int]:
        """Return the number of waiting images of each version that has any."""
        return {ref: self._images[lane][ref] for ref in self._waiting[lane]}

    def in_order(self, lane: Lane) -> list[str]:
        """Return the versions that wait in a lane, by their last round."""
        waiting = list(self._waiting[lane])
        if len(waiting) > 1:
            waiting.sort(key=lambda ref: self._last_round.get(ref, 0))
        return waiting

    def first(self, ref: str, lane: Lane) -> Delivery:
        """Return the delivery with which the next batch of a version that waits in the lane begins."""
        return self._waiting[lane][ref][0]

    def next_batch(self, ref: str, lane: Lane, max_images: int) -> list[Slice]:
        """Take up to `max_images` images of a version that waits in the lane.

        Every image is taken once, in order within its entry. A suspect or verbose entry is a batch of its own,
        whole. Entries whose images have another shape, which the version refuses, wait for another batch.
        """
        self._rounds += 1
        self._last_round[ref] = self._rounds
        waiting = self._waiting[lane][ref]
        batch = self._take_alone(waiting) if waiting[0].is_alone else self._fill(waiting, max_images)
        self._images[lane][ref] -= sum(part.count for part in batch)
        if not waiting:
            del self._waiting[lane][ref], self._images[lane][ref]
        return batch

    def _take_alone(self, waiting: deque[Delivery]) -> list[Slice]:
        delivery = waiting.popleft()
        delivery.taken = delivery.count
        return [Slice(delivery, 0, delivery.count)]

    def _fill(self, waiting: deque[Delivery], max_images: int) -> list[Slice]:
        batch: list[Slice] = []
        room = max_images
        kept: deque[Delivery] = deque()
        while waiting and room:
            delivery = waiting.popleft()
            if delivery.is_alone or (batch and delivery.entry.shape != batch[0].delivery.entry.shape):
                kept.append(delivery)
                continue
            start = delivery.taken
            delivery.taken = min(start + room, delivery.count)
            room -= delivery.taken - start
            batch.append(Slice(delivery, start, delivery.taken))
            if delivery.taken < delivery.count:
                kept.append(delivery)
        waiting.extendleft(reversed(kept))
        return batch
