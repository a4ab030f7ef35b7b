"""The entries a worker holds that wait for their batch, and who waits for them."""

import threading
from typing import Protocol

from shared.contract.lane import Lane
from shared.contract.model_ref import ModelRef
from worker.batching.order import Queues
from worker.delivery import Delivery, Slice

# Of a model that wait for a version to be loaded; then no more are pulled. Of jobs, less: other workers are to have a
# part, and whoever cancels a job, or stops this worker, does not wait for what is parked here.
PARKED_IMAGES: dict[Lane, int] = {"interactive": 16_384, "bulk": 2_048}


class Versions(Protocol):
    """What the backlog asks of the engines."""

    def max_images(self, ref: str) -> int:
        """Of one batch of that version now; 0 while it is not loaded, so that what waits for it waits on."""
        ...

    def reserve(self, ref: str) -> int:
        """The same, for a batch that is formed now: until it has run, the version stays loaded."""
        ...


class Backlog:
    """The deliveries that no batch has taken whole, shared by the threads that pull and those that run models.

    What waits for a version that is not loaded is passed over, and counts apart: it holds up nobody else until it is
    very much.
    """

    def __init__(self, versions: Versions, at_a_time: int, bulk_entry_images: int) -> None:
        self._versions = versions
        self._at_a_time = at_a_time
        self._bulk_entry_images = bulk_entry_images
        self._queues = Queues()
        lock = threading.Lock()
        self._ready = threading.Condition(lock)
        self._room = threading.Condition(lock)
        self._closed = False

    def put(self, deliveries: list[Delivery]) -> bool:
        """Whether the versions of all of them are loaded."""
        with self._ready:
            for delivery in deliveries:
                self._queues.add(delivery)
            self._ready.notify(len(deliveries))  # no more threads than there may be batches
            return all(self._versions.max_images(ref) for ref in {delivery.entry.model for delivery in deliveries})

    def wait(self) -> bool:
        """Block until something can be run. False once the backlog is closed and nothing is left."""
        with self._ready:
            self._ready.wait_for(lambda: self._runnable() or (self._closed and not self._queues))
            return bool(self._queues)

    def take(self) -> list[Slice]:
        """The next batch, of a version that is reserved for it; empty where there is nothing to run now."""
        with self._ready:
            batch: list[Slice] = []
            for ref in self._queues.in_order():
                if max_images := self._versions.reserve(ref):
                    batch = self._queues.next_batch(ref, max_images)
                    break
            if self._closed and not self._queues:
                self._ready.notify_all()
            elif self._runnable():
                self._ready.notify()
            self._room.notify_all()
            return batch

    def loaded(self) -> None:
        """Some version is loaded now, or never will be: what waits for it can be run."""
        with self._ready:
            self._ready.notify_all()
            self._room.notify_all()

    @property
    def idle(self) -> bool:
        """Whether no batch could be formed now."""
        with self._ready:
            return not self._runnable()

    def waiting(self) -> list[str]:
        """Versions of which entries wait, loaded or not, in the order of their turns."""
        with self._ready:
            return self._queues.in_order()

    def wait_for_room(self, lane: Lane, model: str) -> bool:
        """Block until a model has room in the lane; False once the backlog is closed."""
        with self._room:
            self._room.wait_for(lambda: self._closed or self._has_room(lane, model))
            return not self._closed

    def has_room(self, lane: Lane, model: str) -> bool:
        """Whether fewer images of a model wait than keep every engine busy until the next pull."""
        with self._room:
            return self._has_room(lane, model)

    def close(self) -> None:
        """Let what waits be taken, and nobody wait any longer."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()
            self._room.notify_all()

    def _runnable(self) -> bool:
        return any(self._versions.max_images(ref) for ref in self._queues.in_order())

    def _has_room(self, lane: Lane, model: str) -> bool:
        """Enough in hand that no engine waits for a pull, and no more: the rest is for the other workers.

        What waits for a version that is being loaded counts apart: it keeps no engine busy.
        """
        images = parked_images = room_images = 0
        for ref, count in self._queues.images(lane).items():
            if ModelRef.parse(ref).name != model:
                continue
            if running_images := self._at_a_time * self._versions.max_images(ref):
                images += count
                room_images = max(room_images, self._room_images(lane, running_images))
            else:
                parked_images += count
        return (not images or images < room_images) and parked_images < PARKED_IMAGES[lane]

    def _room_images(self, lane: Lane, running_images: int) -> int:
        return 2 * running_images if lane == "interactive" else max(running_images, self._bulk_entry_images)
