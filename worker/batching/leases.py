"""Leases on entries: an entry belongs to its worker until the worker has not renewed the lease for LEASE_MS."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from redis.exceptions import ResponseError

from shared.contract.lane import LANES, Lane
from shared.redis import keys
from shared.redis.clients import SyncClient
from shared.redis.errors import ConditionError, passes
from shared.redis.script import Script
from shared.telemetry.seldom import SeldomLog
from worker.batching.held_entries import HeldEntries, RawEntry

logger = logging.getLogger(__name__)

TAKEOVERS_PER_TICK = 8  # per stream; the rest is left to the next tick or to another worker
SCANS_PER_TICK = 64  # per stream; one scan reads ten times TAKEOVERS_PER_TICK pending entries
SCAN_START = "0-0"  # the cursor at the start of a scan, which XAUTOCLAIM returns at the end, too
STALE_CONSUMER_LEASES = 10  # a consumer that is silent for this many leases and owns nothing is deleted
# An entry that was taken over stays with its new owner. The ids of the entries follow the arguments.
RENEW = Script(
    "RENEW",
    """
local stream = unpack(KEYS)
local group, consumer = unpack(ARGV, 1, 2)
for index = 3, #ARGV do
  local pending = redis.call('XPENDING', stream, group, ARGV[index], ARGV[index], 1)
  if pending[1] and pending[1][2] == consumer then
    redis.call('XCLAIM', stream, group, consumer, 0, ARGV[index], 'JUSTID')
  end
end
""",
)
# One script, because deleting a consumer that has just received entries would lose the entries.
FORGET_CONSUMERS = Script(
    "FORGET_CONSUMERS",
    """
local stream = unpack(KEYS)
local group, silent_ms = unpack(ARGV)
for _, fields in ipairs(redis.call('XINFO', 'CONSUMERS', stream, group)) do
  local consumer = {}
  for index = 1, #fields, 2 do
    consumer[fields[index]] = fields[index + 1]
  end
  if consumer.pending == 0 and consumer.idle > tonumber(silent_ms) then
    redis.call('XGROUP', 'DELCONSUMER', stream, group, consumer.name)
  end
end
""",
)


def take_duties(client: SyncClient, models: Sequence[str], duty_ms: int) -> list[str]:
    """Return the models whose expired leases this worker should reclaim now: a model has one such worker per `duty_ms`.

    If each of hundreds of workers checked every stream, Redis would spend more time on checks than on their work.
    Raises redis' errors.
    """
    with client.pipeline(transaction=False) as pipeline:
        for model in models:
            pipeline.set(keys.duty(model), 1, nx=True, px=duty_ms)
        try:
            taken = pipeline.execute()
        except ConditionError as error:
            if error.code != "OOM":
                raise
            return list(models)  # entries must be reclaimed, because a full Redis drains by finishing them
    return [model for model, mine in zip(models, taken, strict=True) if mine]


@dataclass(eq=False)
class Leases:
    """Renews the leases of this worker's entries and takes over entries whose lease expired. For one thread."""

    client: SyncClient
    consumer: str
    models: Callable[[], Sequence[str]]
    held_entries: HeldEntries
    lease_ms: int
    takeovers: int = 0
    _cursors: dict[str, str] = field(init=False, default_factory=dict)  # where the scan of a stream continues
    _seldom: SeldomLog = field(init=False, default_factory=lambda: SeldomLog(logger))

    def renew(self) -> None:
        """Renew the leases of all held entries. Call it several times per lease."""
        held: dict[str, list[bytes]] = {}
        for delivery in self.held_entries.all():
            held.setdefault(delivery.stream, []).append(delivery.entry_id)
        for stream, entry_ids in held.items():
            call = RENEW(stream=stream, group=keys.GROUP, consumer=self.consumer, more_args=entry_ids)
            self.client.eval(*call)

    def take_over(self) -> None:
        """Claim entries whose lease expired, with their number of attempts."""
        for stream, lane in self._streams():
            lapsed: list[RawEntry] = []
            with self._spare_others(stream):
                lapsed = self._claim(stream)
            if lapsed:
                self.takeovers += len(lapsed)
                logger.warning("took over %d entries of %s whose lease lapsed", len(lapsed), stream)
                self.held_entries.deliver(stream, lane, lapsed)

    def _claim(self, stream: str) -> list[RawEntry]:
        """Claim some lapsed entries of a stream, beginning where the last scan ended."""
        lapsed: list[RawEntry] = []
        cursor = self._cursors.pop(stream, SCAN_START)
        for _ in range(SCANS_PER_TICK):
            found = self.client.xautoclaim(
                stream, keys.GROUP, self.consumer, self.lease_ms, cursor, TAKEOVERS_PER_TICK - len(lapsed)
            )
            cursor = found[0].decode()
            for entry_id, fields in found[1]:
                if fields is None:  # deleted from the stream by hand; Redis 6.2 keeps it as pending
                    self.client.xack(stream, keys.GROUP, entry_id)
                else:
                    lapsed.append((entry_id, fields, self._attempt(stream, entry_id)))
            if cursor == SCAN_START:
                break
            if len(lapsed) >= TAKEOVERS_PER_TICK:
                self._cursors[stream] = cursor
                break
        else:
            self._cursors[stream] = cursor
        return lapsed

    def forget_stale_consumers(self) -> None:
        """Delete the consumers of processes that ended long ago and own nothing."""
        silent_ms = STALE_CONSUMER_LEASES * self.lease_ms
        for stream, _ in self._streams():
            with self._spare_others(stream):
                self.client.eval(*FORGET_CONSUMERS(stream=stream, group=keys.GROUP, silent_ms=silent_ms))

    @contextmanager
    def _spare_others(self, stream: str) -> Iterator[None]:
        """Report an error of one stream only, such as a key of another type in its place."""
        try:
            yield
        except ResponseError as error:
            if passes(error):
                raise
            self._seldom.log(logging.ERROR, f"the leases of {stream} cannot be checked: {error}")

    def _streams(self) -> list[tuple[str, Lane]]:
        return [(stream, lane) for model in self.models() for lane in LANES for stream in keys.streams(model, lane)]

    def _attempt(self, stream: str, entry_id: bytes) -> int:
        pending = self.client.xpending_range(stream, keys.GROUP, entry_id, entry_id, 1)
        return int(pending[0]["times_delivered"]) if pending else 1
