"""The queue of held entries that wait for a batch, and the threads that wait for it."""

import threading
from typing import Protocol

from shared.contract.lane import Lane
from shared.contract.model_ref import ModelRef
from worker.batching.order import Queues
from worker.delivery import Delivery, Slice

# Maximum images of a model that wait for a version to load. Beyond it no more are pulled. The limit for jobs is lower,
# so that other workers get a share, and cancelling a job or stopping this worker does not wait for parked images.
PARKED_IMAGES: dict[Lane, int] = {"interactive": 16_384, "bulk": 2_048}
PARKED_BYTES = 16 << 20  # pixels, the same for images of any size
JOB_RUNS = 5  # runs of the engine in a batch of a job: taking and counting such a batch costs as much as one run's


class Versions(Protocol):
    """The part of the engine pool that the backlog uses."""

    def max_images(self, ref: str) -> int:
        """Return the current batch size limit of a version. It is 0 while the version is not loaded."""
        ...

    def short_images(self, ref: str) -> int:
        """Return how many images of a version run in so short a time that others can wait for them."""
        ...

    def reserve(self, ref: str) -> int:
        """Return `max_images` and keep the version loaded until the batch that is formed now has run."""
        ...


class Backlog:
    """The deliveries with images that no batch has taken, shared by the threads that pull and those that run models.

    Deliveries of a version that is not loaded are skipped and counted separately. They delay no other version until
    there are PARKED_IMAGES or PARKED_BYTES of them.
    """

    def __init__(self, versions: Versions, at_a_time: int, bulk_entry_images: int) -> None:
        self._versions = versions
        self._at_a_time = at_a_time
        self._bulk_entry_images = bulk_entry_images
        self._queues = Queues()
        self._lock = threading.Lock()
        self._ready = threading.Condition(self._lock)
        self._room = threading.Condition(self._lock)
        self._closed = False

    def __bool__(self) -> bool:
        """Return whether any image waits."""
        return bool(self._queues)

    def put(self, deliveries: list[Delivery]) -> bool:
        """Add deliveries and wake a thread that runs batches. Returns whether all versions are loaded.

        The woken thread wakes the next one if there is more than one batch.
        """
        with self._ready:
            for delivery in deliveries:
                self._queues.add(delivery)
            self._ready.notify()
            return all(self._versions.max_images(ref) for ref in {delivery.entry.model for delivery in deliveries})

    def wait(self) -> bool:
        """Block until a batch can be formed. Returns False once the backlog is closed and empty."""
        with self._ready:
            self._ready.wait_for(lambda: self._runnable() or (self._closed and not self._queues))
            return bool(self._queues)

    def take(self) -> list[Slice]:
        """Return the next batch and reserve its version. The batch is empty if nothing can run now."""
        with self._ready:
            batch: list[Slice] = []
            for ref in self._queues.in_order():
                if max_images := self._versions.reserve(ref):
                    batch = self._queues.next_batch(ref, self._batch_images(ref, max_images))
                    break
            self._wake_after_take()
            return batch

    @property
    def has_singles(self) -> bool:
        """Return whether interactive images wait. Takes no lock."""
        return self._queues.has("interactive")

    def take_singles(self) -> list[Slice]:
        """Return a batch of interactive images only, and reserve its version. It is empty if none can run now.

        Suspects wait for `take`: a suspect may end the worker, and the job whose batch it interrupts must not be
        blamed.
        """
        with self._ready:
            for ref in self._queues.in_order(("interactive",)):
                if not self._queues.first(ref).is_suspect and (max_images := self._versions.reserve(ref)):
                    batch = self._queues.next_batch(ref, max_images, ("interactive",))
                    self._wake_after_take()
                    return batch
            return []

    def loaded(self) -> None:
        """Wake the waiting threads because a version was loaded, or failed to load."""
        with self._ready:
            self._ready.notify_all()
            self._room.notify_all()

    @property
    def idle(self) -> bool:
        """Return whether no batch can be formed now."""
        with self._ready:
            return not self._runnable()

    def waiting(self) -> list[str]:
        """Return the versions that entries wait for, loaded or not, in the order of their next batches."""
        with self._ready:
            return self._queues.in_order()

    def wait_for_room(self, lane: Lane, model: str) -> bool:
        """Block until a model has room in the lane. Returns False once the backlog is closed."""
        with self._room:
            self._room.wait_for(lambda: self._closed or self._has_room(lane, model))
            return not self._closed

    def has_room(self, lane: Lane, model: str) -> bool:
        """Return whether more images of a model are needed to keep every engine busy until the next pull."""
        with self._lock:
            return self._has_room(lane, model)

    def close(self) -> None:
        """End all waits. Deliveries that are in the backlog can still be taken."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()
            self._room.notify_all()

    def _wake_after_take(self) -> None:
        """Wake a thread for the images that still wait, or all threads at the end, and those that wait for room."""
        if self._queues:
            if self._runnable():
                self._ready.notify()
        elif self._closed:
            self._ready.notify_all()
        self._room.notify_all()

    def _batch_images(self, ref: str, max_images: int) -> int:
        """Return the size of the next batch: up to JOB_RUNS runs, if it has images of jobs only.

        The batch leaves enough images for the other engines, so that all engines end at about the same time. Next to
        interactive images, whose answers come at the end of the batch, it has few images of jobs, but always some.
        """
        if interactive := self._queues.images_of("interactive", ref):
            return min(max_images, interactive + max(1, self._versions.short_images(ref)))
        share_images = -(-self._queues.images_of("bulk", ref) // self._at_a_time)
        return max(max_images, min(JOB_RUNS * max_images, share_images))

    def _runnable(self) -> bool:
        return any(self._versions.max_images(ref) for ref in self._queues.in_order())

    def _has_room(self, lane: Lane, model: str) -> bool:
        """Return whether to pull more: enough that no engine waits for a pull. Other workers get the rest.

        Images of a version that is being loaded count separately, because they keep no engine busy.
        """
        if not self._queues.has(lane):
            return True
        images = parked_images = parked_bytes = room_images = 0
        for ref, count in self._queues.images(lane).items():
            if ModelRef.parse(ref).name != model:
                continue
            if running_images := self._at_a_time * self._versions.max_images(ref):
                images += count
                needed = (
                    2 * running_images
                    if lane == "interactive"
                    else max(JOB_RUNS * running_images, self._bulk_entry_images)
                )
                room_images = max(room_images, needed)
            else:
                parked_images += count
                parked_bytes += count * self._queues.first(ref).entry.image_bytes
        has_parking = parked_images < PARKED_IMAGES[lane] and parked_bytes < PARKED_BYTES
        return has_parking and (not images or images < room_images)
