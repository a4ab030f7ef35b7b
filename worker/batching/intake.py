"""Pulls entries from the streams, while the previous batch runs.

Each model and lane has its own thread, so that one without room or without entries delays no other.
"""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from redis.exceptions import ResponseError

from shared.contract.lane import LANES, Lane
from shared.redis import keys
from shared.redis.clients import SyncClient
from shared.redis.errors import meaning_of
from worker.batching.backlog import Backlog
from worker.batching.held_entries import HeldEntries
from worker.watchdog import Pulse

logger = logging.getLogger(__name__)

BLOCK_MS = 1000  # below the client's socket time-out, and the longest that a stop waits for a pull
FAULT_PAUSE_S = 1.0
# Per stream: if several shards have entries, a pull takes one of each, so that shards are served evenly.
ENTRIES_PER_PULL: dict[Lane, int] = {"interactive": 8, "bulk": 1}


def ensure_groups(client: SyncClient, models: Sequence[str]) -> None:
    """Create the missing streams and consumer groups of models."""
    for model in models:
        for lane in LANES:
            for stream in keys.streams(model, lane):
                try:
                    client.xgroup_create(stream, keys.GROUP, id="0", mkstream=True)
                except ResponseError as error:
                    if "BUSYGROUP" not in str(error):
                        raise
                client.expire(stream, keys.OPEN_TTL_S)


@dataclass(eq=False)
class Intake:
    """Pulls the entries of one model and lane. Blocks in Redis for entries, and in the backlog for room."""

    client: SyncClient
    lane: Lane
    model: str
    consumer: str
    backlog: Backlog
    deliveries: HeldEntries
    stopping: threading.Event
    pulse: Pulse

    def pull_forever(self) -> None:
        while not self.stopping.is_set() and self.backlog.wait_for_room(self.lane, self.model):
            try:
                with self.pulse.busy():
                    self.pull(BLOCK_MS)
            except ResponseError as error:
                if meaning_of(error) == "refuse":
                    raise
                self._repair(error)

    def _repair(self, error: ResponseError) -> None:
        """Create the streams again if they are gone. Wait after any other error, for example of a key in our way."""
        try:
            if "NOGROUP" not in str(error):
                raise error
            logger.warning("the streams are gone, creating them again")
            ensure_groups(self.client, [self.model])
        except ResponseError as fault:
            logger.error("the entries of %s cannot be read: %s", self.model, fault)
            self.stopping.wait(FAULT_PAUSE_S)

    def pull(self, block_ms: int) -> None:
        """Read the lane's streams once. Blocks for up to `block_ms`, and while Redis is unreachable."""
        streams = keys.streams(self.model, self.lane)
        reply = self.client.execute_command(
            *("XREADGROUP", "GROUP", keys.GROUP, self.consumer),
            *("COUNT", ENTRIES_PER_PULL[self.lane], "BLOCK", block_ms),
            *("STREAMS", *streams, *[">"] * len(streams)),
        )
        for stream, entries in reply:
            self.deliveries.deliver(stream.decode(), self.lane, [(entry_id, fields, 1) for entry_id, fields in entries])
