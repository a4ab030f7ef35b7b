"""The entries that this worker holds, from their delivery to their last answer."""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from msgspec import structs

from shared.contract.entry import OVERHEAD_BYTES
from shared.contract.entry.codec import PIXELS_FIELD, decode_entry, failed_entry
from shared.contract.lane import Lane
from shared.contract.model_ref import ModelRef
from shared.errors import EntryError, EntryFormatError
from shared.redis import keys
from shared.redis.clients import SyncClient
from shared.redis.clock import RedisClock
from shared.redis.script import Script
from shared.shapes import IMAGE_BYTES
from worker.batching.backlog import Backlog
from worker.batching.deferred import Deferred, deaths_before, reason_to_fail
from worker.batching.finish import Finisher
from worker.batching.suspects import Suspects
from worker.delivery import Delivery

logger = logging.getLogger(__name__)

ASK_AFTER_US = 100_000  # about the time after which the API checks whether the client of a request is still connected
PLAIN_FIELDS = 2  # number of fields, if an entry was never deferred
# Counters that are gone, for example after FLUSHALL, are not created again. Only the first XACK subtracts.
DISCARD = Script(
    "DISCARD",
    """
local stream, queued = unpack(KEYS)
local group, entry_id, images, bytes, shard = unpack(ARGV)
if redis.call('XACK', stream, group, entry_id) == 0 then
  return
end
redis.call('XDEL', stream, entry_id)
for field, count in pairs({images = images, bytes = bytes, [shard] = images}) do
  local now = redis.call('HGET', queued, field)
  if now then
    redis.call('HSET', queued, field, math.max(0, now - count))
  end
end
""",
)
RawEntry = tuple[bytes, Mapping[bytes, bytes], int]  # entry id, fields, attempt


@dataclass(eq=False)
class HeldEntries:
    """The entries that were pulled or taken over and have no result yet. Any thread may call any method.

    `load` is called when an entry waits for a version that is not loaded.
    """

    client: SyncClient
    backlog: Backlog
    finisher: Finisher
    suspects: Suspects
    deferred: Deferred
    clock: RedisClock
    load: Callable[[], None]
    _held: dict[tuple[str, bytes], Delivery] = field(init=False, default_factory=dict)
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)
    _finishing: threading.Lock = field(init=False, default_factory=threading.Lock)  # one thread uses the finisher

    def all(self) -> list[Delivery]:
        with self._lock:
            return list(self._held.values())

    def deliver(self, stream: str, lane: Lane, entries: Iterable[RawEntry]) -> None:
        """Hold new entries and put them into the backlog. Blocks while Redis is unreachable."""
        self.queue(self.hold(stream, lane, entries))

    def hold(self, stream: str, lane: Lane, entries: Iterable[RawEntry]) -> list[Delivery]:
        """Return the entries that are new and need a model. The worker renews their leases until they are finished.

        Entries that are cancelled, dead letters, or cannot be read are finished at once. Blocks while Redis is
        unreachable.
        """
        new = []
        for entry_id, fields, attempt in entries:
            delivery = self._read(stream, lane, entry_id, fields, attempt)
            if delivery is not None and (stream, entry_id) not in self._held:
                new.append(delivery)
        old_us = self.clock.now_us() - ASK_AFTER_US
        for delivery in new:
            if delivery.entry.chunk is not None or delivery.entry.accepted_us < old_us or delivery.attempt > 1:
                new = self._wanted(new, old_us)
                break
        with self._lock:
            new = [delivery for delivery in new if (delivery.stream, delivery.entry_id) not in self._held]
            for delivery in new:
                self._held[delivery.stream, delivery.entry_id] = delivery
        return new

    def queue(self, deliveries: list[Delivery]) -> None:
        """Put held deliveries into the backlog. If a version is not loaded, it is loaded."""
        if not self.backlog.put(deliveries):
            self.load()

    def finished(self, deliveries: Iterable[Delivery]) -> None:
        """Forget deliveries whose results are written."""
        with self._lock:
            for delivery in deliveries:
                self._held.pop((delivery.stream, delivery.entry_id), None)

    def _read(
        self, stream: str, lane: Lane, entry_id: bytes, fields: Mapping[bytes, bytes], attempt: int
    ) -> Delivery | None:
        """Return an entry as a delivery. Defer or fail an entry that this worker cannot read, and return None."""
        try:
            if len(fields) > PLAIN_FIELDS:
                attempt += deaths_before(fields)
            return Delivery(decode_entry(fields), stream, lane, entry_id, attempt)
        except EntryFormatError as error:
            if reason := reason_to_fail(fields):
                self._fail(stream, lane, entry_id, fields, reason)
            else:
                self.deferred.defer(stream, entry_id, error.format, attempt - 1)
        except EntryError as error:
            self._fail(stream, lane, entry_id, fields, f"its entry cannot be read: {error}")
        return None

    def _wanted(self, deliveries: list[Delivery], old_us: int) -> list[Delivery]:
        """Return the deliveries that need a model, and finish the others.

        Singles that were accepted before `old_us` may have lost their clients.
        """
        self._drop_unwanted(
            [each for each in deliveries if each.entry.chunk is None and each.entry.accepted_us < old_us]
        )
        over = self._over([each for each in deliveries if each.entry.chunk is not None])
        wanted = []
        for delivery in deliveries:
            if delivery.is_suspect:
                self.suspects.judge(delivery)
            if delivery in over or len(delivery.faults) == delivery.count:
                self._finish(delivery)
            else:
                wanted.append(delivery)
        return wanted

    def _over(self, chunks: list[Delivery]) -> set[Delivery]:
        """Return the chunks whose jobs are cancelled, expired or gone, so that nobody needs their results."""
        if not chunks:
            return set()
        jobs = dict.fromkeys(delivery.entry.uid for delivery in chunks)
        with self.client.pipeline(transaction=False) as pipeline:
            for job in jobs:
                pipeline.hmget(keys.job(job), "model", "finished_ms")
            found = dict(zip(jobs, pipeline.execute(), strict=True))
        open_jobs = {job for job, (model, finished_ms) in found.items() if model is not None and finished_ms is None}
        return {delivery for delivery in chunks if delivery.entry.uid not in open_jobs}

    def _drop_unwanted(self, old: list[Delivery]) -> None:
        """Mark the singles whose clients have disconnected."""
        if not old:
            return
        with self.client.pipeline(transaction=False) as pipeline:
            for delivery in old:
                pipeline.smembers(keys.dropped(delivery.entry.uid))
            dropped = pipeline.execute()
        for delivery, positions in zip(old, dropped, strict=True):
            for position in map(int, positions):
                delivery.faults[position] = ("cancelled", "its client went away")

    def _fail(self, stream: str, lane: Lane, entry_id: bytes, fields: Mapping[bytes, bytes], reason: str) -> None:
        """Fail all images of an entry that cannot be read. Discard an entry that does not say who waits for them."""
        logger.error("failing %s of %s: %s", entry_id.decode(), stream, reason)
        model = keys.model_of(stream)
        try:
            entry = failed_entry(fields)
        except EntryError as error:
            self._discard(stream, lane, model, entry_id, fields, error)
            return
        if ModelRef.parse(entry.model).name != model:  # the images count in the lane of the stream
            entry = structs.replace(entry, model=model)
        delivery = Delivery(entry, stream, lane, entry_id)
        delivery.faults = dict.fromkeys(range(entry.count), ("failed", reason))
        delivery.surplus_bytes = len(fields.get(PIXELS_FIELD, b"")) - len(entry.pixels)
        self._finish(delivery)

    def _finish(self, delivery: Delivery) -> None:
        """Write a delivery that no model runs."""
        with self._finishing:
            self.finisher.finish([delivery])

    def _discard(
        self, stream: str, lane: Lane, model: str, entry_id: bytes, fields: Mapping[bytes, bytes], error: EntryError
    ) -> None:
        """Remove an entry that names no client to notify from the stream and its counts."""
        logger.error("discarding %s of %s: %s", entry_id.decode(), stream, error)
        images = len(fields.get(PIXELS_FIELD, b"")) // IMAGE_BYTES
        call = DISCARD(
            stream=stream,
            queued=keys.queued(model, lane),
            group=keys.GROUP,
            entry_id=entry_id,
            images=images,
            bytes=images * IMAGE_BYTES + OVERHEAD_BYTES,
            shard=keys.shard_of(stream),
        )
        self.client.eval(*call)
