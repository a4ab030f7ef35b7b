"""The queue of held entries that wait for a batch, and the threads that wait for it."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from shared.contract.lane import LANES, Lane
from shared.contract.model_ref import ModelRef
from worker.batching.order import Queues
from worker.delivery import Delivery, Slice

# Maximum images of a model that wait for a version to load. Beyond it no more are pulled. The limit for jobs is lower,
# so that other workers get a share, and cancelling a job or stopping this worker does not wait for parked images.
PARKED_IMAGES: dict[Lane, int] = {"interactive": 16_384, "bulk": 2_048}
PARKED_BYTES = 16 << 20  # pixels, the same for images of any size
GATHER_S = 0.008  # between two batches of singles of a version while a job runs, so that the job gets a larger share
JOB_RUNS = 5  # runs of the engine in a batch of a job: taking and counting such a batch costs as much as one run's


class Versions(Protocol):
    """The part of the engine pool that the backlog uses."""

    def max_images(self, ref: str) -> int:
        """Return the current batch size limit of a version. It is 0 while the version is not loaded."""
        ...

    def reserve(self, ref: str) -> int:
        """Return `max_images` and keep the version loaded until the batch that is formed now has run."""
        ...


class Backlog:
    """The deliveries with images that no batch has taken, shared by the threads that pull and those that run models.

    Deliveries of a version that is not loaded are skipped and counted separately. They delay no other version until
    there are PARKED_IMAGES or PARKED_BYTES of them.
    """

    def __init__(
        self,
        versions: Versions,
        at_a_time: int,
        bulk_entry_images: int,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._versions = versions
        self._clock_s = clock_s
        self._at_a_time = at_a_time
        self._bulk_entry_images = bulk_entry_images
        self._queues = Queues()
        self._lock = threading.Lock()
        self._ready = threading.Condition(self._lock)
        self._room = threading.Condition(self._lock)
        self._closed = False
        self._singles_due_s: dict[str, float] = {}  # by version: time of the next batch of singles while a job runs

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
        """Return the next batch and reserve its version. The batch is empty if nothing can run now.

        It has images of jobs if any can run: the runner calls `take_singles` before and during the run. Suspects
        among the singles come first.
        """
        with self._ready:
            singles = self._queues.in_order("interactive")
            suspects = [ref for ref in singles if self._queues.first(ref, "interactive").is_suspect]
            batch = (
                self._take_from("interactive", suspects)
                or self._take_from("bulk", self._queues.in_order("bulk"))
                or self._take_from("interactive", singles)
            )
            if batch and batch[0].delivery.is_alone:
                self._singles_due_s.clear()  # its run has no pauses
            self._wake_after_take()
            return batch

    @property
    def has_singles(self) -> bool:
        """Return whether interactive images wait. Takes no lock."""
        return self._queues.has("interactive")

    def take_singles(self) -> list[Slice]:
        """Return a batch of interactive images while a job runs, and reserve its version. It may be empty.

        A version has a batch every GATHER_S, unless enough images wait for a full one. Suspects wait for `take`: a
        suspect may end the worker, and the job whose batch it interrupts must not be blamed.
        """
        with self._ready:
            now_s = self._clock_s()
            due = [ref for ref in self._queues.in_order("interactive") if self._is_due(ref, now_s)]
            if batch := self._take_from("interactive", due):
                self._singles_due_s[batch[0].delivery.entry.model] = now_s + GATHER_S
                self._wake_after_take()
            return batch

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
            return self._in_order()

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

    def _is_due(self, ref: str, now_s: float) -> bool:
        """Return whether singles of a version may have a batch while a job runs."""
        if self._queues.first(ref, "interactive").is_suspect:
            return False
        is_full = self._queues.images_of("interactive", ref) >= self._versions.max_images(ref)
        return is_full or now_s >= self._singles_due_s.get(ref, now_s)

    def _take_from(self, lane: Lane, refs: Sequence[str]) -> list[Slice]:
        """Return a batch of the first of `refs`, which wait in the lane, that can run. Reserves its version."""
        for ref in refs:
            if max_images := self._versions.reserve(ref):
                size = max_images if lane == "interactive" else self._job_images(ref, max_images)
                return self._queues.next_batch(ref, lane, size)
        return []

    def _job_images(self, ref: str, max_images: int) -> int:
        """Return the size of the next batch of jobs: up to JOB_RUNS runs.

        The batch leaves enough images for the other engines, so that all engines end at about the same time.
        """
        share_images = -(-self._queues.images_of("bulk", ref) // self._at_a_time)
        return max(max_images, min(JOB_RUNS * max_images, share_images))

    def _runnable(self) -> bool:
        return any(self._versions.max_images(ref) for ref in self._in_order())

    def _in_order(self) -> list[str]:
        return list(dict.fromkeys(ref for lane in LANES for ref in self._queues.in_order(lane)))

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
                parked_bytes += count * self._queues.first(ref, lane).entry.image_bytes
        has_parking = parked_images < PARKED_IMAGES[lane] and parked_bytes < PARKED_BYTES
        return has_parking and (not images or images < room_images)
