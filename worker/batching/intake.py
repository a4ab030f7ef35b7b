"""Pulls entries from the streams, while the previous batch runs.

Each model and lane has its own thread, so that one without room or without entries delays no other.
"""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from redis.exceptions import RedisError, ResponseError

from shared.contract.lane import LANES, Lane
from shared.redis import keys
from shared.redis.clients import SyncClient
from shared.redis.resp import pack
from worker.batching.backlog import Backlog
from worker.batching.direct_connection import DirectConnection
from worker.batching.held_entries import HeldEntries
from worker.batching.runner import Runner
from worker.delivery import Delivery
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
                    if "WRONGTYPE" in str(error):  # its lane cannot be read, but the others can
                        logger.error("%s is a key of another type: delete it", stream)
                    elif "BUSYGROUP" not in str(error):
                        raise
                client.expire(stream, keys.OPEN_TTL_S)


@dataclass(eq=False)
class Intake:
    """Pulls the entries of one model and lane. Blocks in Redis for entries, and in the backlog for room.

    The runner, whose finisher has the same connection, runs short batches in this thread, so that a lone image does not
    change threads. Without a runner, other threads run all batches.
    """

    client: SyncClient
    connection: DirectConnection
    lane: Lane
    model: str
    consumer: str
    backlog: Backlog
    held_entries: HeldEntries
    stopping: threading.Event
    pulse: Pulse
    runner: Runner | None = None
    block_ms: int = BLOCK_MS
    _reading: bool = field(init=False, default=False)  # whether a read was sent whose reply was not received

    def __post_init__(self) -> None:
        streams = keys.streams(self.model, self.lane)
        group = ("XREADGROUP", "GROUP", keys.GROUP, self.consumer)
        limits = ("COUNT", ENTRIES_PER_PULL[self.lane], "BLOCK", self.block_ms)
        self._read = pack((*group, *limits, "STREAMS", *streams, *[">"] * len(streams)))

    def pull_forever(self) -> None:
        while self._reading or (not self.stopping.is_set() and self.backlog.wait_for_room(self.lane, self.model)):
            try:
                self.pull()
            except ResponseError as error:
                self._repair(error)

    def pull(self) -> None:
        """Read the lane's streams once. Blocks for up to `block_ms`, and while Redis is unreachable."""
        if not self._reading:
            self._add_read()
        with self.pulse:
            reply = self.connection.receive()
        self._reading = False
        if isinstance(reply, RedisError):
            raise reply
        if not reply:
            return
        pulled = 0
        deliveries: list[Delivery] = []
        try:
            for stream, entries in reply.items() if isinstance(reply, dict) else reply:  # by version of the protocol
                pulled += len(entries)
                raw = [(entry_id, dict(zip(fields[::2], fields[1::2], strict=True)), 1) for entry_id, fields in entries]
                deliveries += self.held_entries.hold(stream.decode(), self.lane, raw)
        except ResponseError:
            self.held_entries.queue(deliveries)  # entries of the streams before the error: nobody else would run them
            raise
        # After a full pull, more entries are waiting: this thread reads them, and others run the model.
        is_full = pulled >= ENTRIES_PER_PULL[self.lane]
        if self.runner is None or is_full or not self.runner.run_at_once(deliveries, self._read_ahead):
            self.held_entries.queue(deliveries)

    def _read_ahead(self) -> None:
        """Let the next read travel with the results of a batch, if there is room for more entries."""
        if not self.stopping.is_set() and self.backlog.has_room(self.lane, self.model):
            self._add_read()

    def _add_read(self) -> None:
        self.connection.add(self._read)
        self._reading = True

    def _repair(self, error: ResponseError) -> None:
        """Create the streams again if they are gone. Wait after any other error, for example a key of another type."""
        try:
            if "NOGROUP" not in str(error):
                raise error
            logger.warning("the streams are gone, creating them again")
            ensure_groups(self.client, [self.model])
        except ResponseError as fault:
            logger.error("the entries of %s cannot be read: %s", self.model, fault)
            self.stopping.wait(FAULT_PAUSE_S)
