"""The entries that this worker holds, from their delivery to their last answer."""

import logging
import threading
from collections.abc import Iterable, Mapping

from shared import keys
from shared.connection import Client
from shared.entry import PIXELS_FIELD, decode_entry
from shared.errors import EntryError
from shared.images import IMAGE_BYTES
from shared.keys import Lane
from worker.backlog import Backlog, Delivery
from worker.finish import Finisher

logger = logging.getLogger(__name__)

RawEntry = tuple[bytes, Mapping[bytes, bytes], int]  # entry id, fields, attempt


class Deliveries:
    """Every entry pulled or taken over comes in by `deliver`; all methods may be called from any thread."""

    def __init__(self, client: Client, backlog: Backlog, finisher: Finisher, max_attempts: int) -> None:
        self._client = client
        self._backlog = backlog
        self._finisher = finisher
        self._max_attempts = max_attempts
        self._held: dict[tuple[str, bytes], Delivery] = {}
        self._lock = threading.Lock()

    def held(self) -> list[Delivery]:
        with self._lock:
            return list(self._held.values())

    def deliver(self, stream: str, lane: Lane, entries: Iterable[RawEntry]) -> None:
        """Put entries into the backlog, but for those that nobody waits for and those that keep failing.

        Blocks while Redis is away. An entry that is held already is left alone.
        """
        wanted = []
        for entry_id, fields, attempt in entries:
            try:
                delivery = Delivery(decode_entry(fields), stream, lane, entry_id, attempt)
            except EntryError as error:
                self._discard(stream, lane, entry_id, fields, error)
                continue
            if self._is_over(delivery):
                self._finisher.finish([delivery])
            elif attempt > self._max_attempts:
                self._give_up(delivery)
            else:
                wanted.append(delivery)
        with self._lock:
            new = [delivery for delivery in wanted if _key(delivery) not in self._held]
            self._held.update((_key(delivery), delivery) for delivery in new)
        self._backlog.put(new)

    def finished(self, deliveries: Iterable[Delivery]) -> None:
        """Forget deliveries whose results are written."""
        with self._lock:
            for delivery in deliveries:
                self._held.pop(_key(delivery), None)

    def _is_over(self, delivery: Delivery) -> bool:
        """Whether the chunk's job is cancelled or gone, so that running it would be for nobody."""
        if delivery.entry.chunk is None:
            return False
        job = keys.job(delivery.entry.uid)
        model, finished_ms = self._client.hmget(job, "model", "finished_ms")
        return model is None or finished_ms is not None

    def _give_up(self, delivery: Delivery) -> None:
        reason = f"gave up after {self._max_attempts} attempts that no worker survived"
        logger.error("entry %s: %s", delivery.entry.uid, reason)
        delivery.faults = dict.fromkeys(range(delivery.entry.count), ("failed", reason))
        self._finisher.finish([delivery])

    def _discard(
        self, stream: str, lane: Lane, entry_id: bytes, fields: Mapping[bytes, bytes], error: EntryError
    ) -> None:
        """What is no entry names nobody to tell: it is logged, and taken off the stream and its count."""
        logger.error("discarding %s of %s: %s", entry_id.decode(), stream, error)
        model = stream.removeprefix(keys.PREFIX).split(":")[1]
        with self._client.pipeline() as pipeline:
            pipeline.xack(stream, keys.GROUP, entry_id)
            pipeline.xdel(stream, entry_id)
            pipeline.decrby(keys.queued(model, lane), len(fields.get(PIXELS_FIELD, b"")) // IMAGE_BYTES)
            pipeline.execute()


def _key(delivery: Delivery) -> tuple[str, bytes]:
    return delivery.stream, delivery.entry_id
