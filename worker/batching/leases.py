"""Leases: an entry belongs to the worker that it was delivered to until it goes unrenewed for the lease's length."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from redis.exceptions import OutOfMemoryError

from shared.contract.lane import LANES, Lane
from shared.redis import keys
from shared.redis.connection import Client
from shared.redis.script import Script
from worker.batching.held_entries import HeldEntries, RawEntry

logger = logging.getLogger(__name__)

RENEW = Script.read(Path(__file__).with_name("renew.lua"))
TAKEOVERS_PER_TICK = 8  # of each stream; the rest goes to the next tick, or to another worker
STALE_CONSUMER_LEASES = 10  # a consumer that was silent for so many leases and owns nothing is forgotten


def take_duties(client: Client, models: Sequence[str], duty_ms: int) -> list[str]:
    """Those of `models` whose streams are this worker's to look after now: of all workers, one in `duty_ms`.

    Each looking at each stream would cost Redis more, with hundreds of workers, than their work. Raises redis' errors.
    """
    with client.pipeline(transaction=False) as pipeline:
        for model in models:
            pipeline.set(keys.duty(model), 1, nx=True, px=duty_ms)
        try:
            taken = pipeline.execute()
        except OutOfMemoryError:  # a full Redis drains by what is finished: nobody's duty may be missed then
            return list(models)
    return [model for model, mine in zip(models, taken, strict=True) if mine]


class Leases:
    """Renews what this worker holds and takes over what another let lapse. Used by one thread."""

    def __init__(
        self,
        client: Client,
        consumer: str,
        models: Callable[[], Sequence[str]],
        deliveries: HeldEntries,
        lease_ms: int,
    ) -> None:
        self._client = client
        self._consumer = consumer
        self._models = models
        self._deliveries = deliveries
        self._lease_ms = lease_ms
        self.takeovers = 0

    def renew(self) -> None:
        """Must run several times a lease."""
        held: dict[str, list[bytes]] = {}
        for delivery in self._deliveries.held():
            held.setdefault(delivery.stream, []).append(delivery.entry_id)
        for stream, entry_ids in held.items():
            call = RENEW(stream=stream, group=keys.GROUP, consumer=self._consumer, more_args=entry_ids)
            self._client.eval(*call)

    def take_over(self) -> None:
        """Claim entries whose lease lapsed, with their count of attempts."""
        for stream, lane in self._streams():
            _, claimed, *_ = self._client.xautoclaim(
                stream, keys.GROUP, self._consumer, self._lease_ms, count=TAKEOVERS_PER_TICK
            )
            lapsed: list[RawEntry] = [
                (entry_id, fields, self._attempt(stream, entry_id))
                for entry_id, fields in claimed
                if fields is not None
            ]
            if lapsed:
                self.takeovers += len(lapsed)
                logger.warning("took over %d entries of %s whose lease lapsed", len(lapsed), stream)
                self._deliveries.deliver(stream, lane, lapsed)

    def forget_stale_consumers(self) -> None:
        """Consumers are named after processes: drop those that are long gone and own nothing."""
        for stream, _ in self._streams():
            for consumer in self._client.xinfo_consumers(stream, keys.GROUP):
                silent = consumer["idle"] > STALE_CONSUMER_LEASES * self._lease_ms
                if silent and consumer["pending"] == 0:
                    self._client.xgroup_delconsumer(stream, keys.GROUP, consumer["name"])

    def _streams(self) -> list[tuple[str, Lane]]:
        return [(stream, lane) for model in self._models() for lane in LANES for stream in keys.streams(model, lane)]

    def _attempt(self, stream: str, entry_id: bytes) -> int:
        pending = self._client.xpending_range(stream, keys.GROUP, entry_id, entry_id, 1)
        return int(pending[0]["times_delivered"]) if pending else 1
