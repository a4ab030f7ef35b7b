"""Writes results of whole entries, acknowledges the entries and wakes waiting requests.

One script runs per entry, and the commands of a batch travel in one write.
"""

import logging
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from redis.exceptions import RedisError

from shared.config.settings import Settings
from shared.contract.block import Block
from shared.contract.block.codec import encode_block
from shared.contract.job import JOB_CODEC, MANIFEST_CODEC
from shared.contract.lane import Lane
from shared.errors import ContractError
from shared.numbers.guesses import unsure_numbers
from shared.redis import keys
from shared.redis.clock import RedisClock
from shared.redis.resp import pack
from shared.redis.script import Command, Script
from shared.shapes import WINDOW_LABELS
from shared.telemetry.job_log import log_finished
from worker.batching.direct_connection import DirectConnection
from worker.batching.suspects import dead_letter
from worker.delivery import Delivery
from worker.reporting.metrics import Metrics

logger = logging.getLogger(__name__)

MAX_LAYERS = 32  # blobs kept, for clients that wait for them: those of a large model have megabytes
FINISH = Script.read(Path(__file__).with_suffix(".lua"))
FINISH_SINGLES = Script.read(Path(__file__).with_name("finish_singles.lua"))
NO_FAULTS: Counter[str] = Counter()
ReadNext = Callable[[], None]
# The names of each script that differ between the entries of a stream.
NAMES = (
    *("client", "target", "blocks", "manifests", "suspect", "layers", "entry_id", "images", "bytes", "block", "ttl_s"),
    *("channel", "uid", "chunk", "done_images", "failed_images", "expired_images", "unsure_images"),
    "layers_blob",
)
SINGLES_NAMES = ("result", "client", "entry_id", "images", "bytes", "block", "channel", "uid")


def read_nothing() -> None:
    """Do nothing: the thread that writes these results does not read entries."""


def log_end(
    delivery: Delivery, now_ms: int, done: int, failed: int, expired: int, unsure: int, created_ms: int
) -> None:
    """Log the end of a job at `now_ms` by Redis's clock. `delivery` was its last entry."""
    entry = delivery.entry
    counts = {"done": done - unsure, "unsure": unsure, "failed": failed, "expired": expired}
    log_finished(entry.uid, entry.request_id(0), counts, (now_ms - created_ms) / 1e3)


class Finisher:
    """Writes results. Blocks while Redis is unreachable, because `connection` retries: writing twice is harmless.

    `connection` has loaded FINISH and FINISH_SINGLES.
    """

    def __init__(
        self, connection: DirectConnection, worker_name: str, metrics: Metrics, clock: RedisClock, settings: Settings
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._metrics = metrics
        self._worker_name = worker_name
        self._settings = settings
        self._prepared: dict[str, Callable[..., Command]] = {}  # FINISH by stream
        self._prepared_singles: dict[str, Callable[..., Command]] = {}  # FINISH_SINGLES by stream

    def finish(self, deliveries: list[Delivery], read_next: ReadNext = read_nothing) -> int:
        """Write complete deliveries. Returns how many of them another worker had already finished.

        `read_next` may add a command to the connection, which travels in the same write. Raises RedisError.
        """
        for delivery in deliveries:
            if delivery.entry.items:
                delivery.unsure_numbers = self._unsure_numbers(delivery)
        for delivery in deliveries:
            self._connection.add(pack(self._command(delivery)))
        read_next()
        replies = [self._connection.receive() for _ in deliveries]
        for delivery, reply in zip(deliveries, replies, strict=True):
            if isinstance(reply, RedisError):
                raise reply
            if isinstance(reply, list):
                log_end(delivery, self._clock.now_ms(), *(int(number or 0) for number in reply))
            self._metrics.count_finished(delivery, reply.decode() if isinstance(reply, bytes) else "written")
        return replies.count(b"late")

    def _unsure_numbers(self, delivery: Delivery) -> list[int]:
        """Return the positions of the unsure numbers among the items of an entry, `[]` if its job is gone.

        The job says what its numbers may be. The chunk's manifest says which windows belong to each view of a number.
        """
        entry, scores = delivery.entry, delivery.scores
        if entry.chunk is None or scores is None or delivery.label_count != len(WINDOW_LABELS):
            return []
        fields = self._connection.call(("HGETALL", keys.job(entry.uid)))
        manifest = self._connection.call(("HGET", keys.job_manifests(entry.uid), entry.chunk))
        if not fields or not manifest:
            return []
        if not isinstance(fields, dict):  # by version of the protocol
            fields = dict(zip(fields[::2], fields[1::2], strict=True))
        try:
            job, lines = JOB_CODEC.decode(entry.uid, fields), MANIFEST_CODEC.decode(manifest).numbers
            if tuple(line.windows for line in lines) != entry.items:
                raise ContractError("its manifest has other windows")
        except ContractError as error:
            logger.error("the unsure numbers of %s cannot be counted: %s", entry.uid, error)
            return []
        return unsure_numbers(job, lines, delivery.probabilities, scores, delivery.rule, delivery.faults)

    def _command(self, delivery: Delivery) -> Command:
        entry = delivery.entry
        if entry.chunk is None and not (delivery.attempt > 1 or delivery.layers or delivery.dead_positions):
            return self._singles_command(delivery)
        faults = delivery.item_faults if delivery.faults else NO_FAULTS
        single = entry.chunk is None
        settings = self._settings
        prepared = self._prepared.get(delivery.stream)
        if prepared is None:
            prepared = self._prepared[delivery.stream] = self._prepare(delivery.stream, delivery.lane)
        return prepared(
            keys.client(entry.client) if entry.client else "",
            keys.result(entry.uid) if single else keys.job(entry.uid),
            "" if single else keys.job_blocks(entry.uid),
            "" if single else keys.job_manifests(entry.uid),
            keys.suspect(delivery.stream, delivery.entry_id.decode()) if delivery.is_suspect else "",
            keys.layers(entry.uid) if delivery.layers else "",
            delivery.entry_id,
            delivery.count,
            entry.queued_bytes + delivery.surplus_bytes,
            encode_block(self._block(delivery), entry.format),
            settings.single_result_ttl_s if single else settings.result_ttl_s,
            entry.reply,
            entry.uid,
            "" if entry.chunk is None else entry.chunk,
            (len(entry.items) or delivery.count) - faults.total(),
            faults["failed"],
            faults["expired"],
            delivery.unsure_items,
            delivery.layers,
            *(self._letters(delivery) if delivery.dead_positions else ()),
        )

    def _singles_command(self, delivery: Delivery) -> Command:
        entry, stream = delivery.entry, delivery.stream
        prepared = self._prepared_singles.get(stream)
        if prepared is None:
            prepared = self._prepared_singles[stream] = FINISH_SINGLES.prepare(
                *SINGLES_NAMES,
                stream=stream,
                queued=keys.queued(keys.model_of(stream), delivery.lane),
                group=keys.GROUP,
                ttl_s=self._settings.single_result_ttl_s,
                open_ttl_s=keys.OPEN_TTL_S,
            )
        return prepared(
            keys.result(entry.uid),
            keys.client(entry.client) if entry.client else "",
            delivery.entry_id,
            delivery.count,
            entry.queued_bytes + delivery.surplus_bytes,
            encode_block(self._block(delivery), entry.format),
            entry.reply,
            entry.uid,
        )

    def _letters(self, delivery: Delivery) -> list[bytes]:
        """Return header and pixels of each image that becomes a dead letter, one after the other."""
        now_ms = self._clock.now_ms()
        letters = [
            dead_letter(delivery, position, delivery.faults[position][1], now_ms)
            for position in delivery.dead_positions
        ]
        return [part for letter in letters for part in letter]

    def _prepare(self, stream: str, lane: Lane) -> Callable[..., Command]:
        """Return a function of the values of NAMES, for the entries of one stream."""
        settings = self._settings
        return FINISH.prepare(
            *NAMES,
            stream=stream,
            queued=keys.queued(keys.model_of(stream), lane),
            open_jobs=keys.OPEN_JOBS,
            dead_letters=keys.DEAD_LETTERS,
            callbacks=keys.CALLBACKS,
            kept_layers=keys.LAYERS,
            group=keys.GROUP,
            shard=keys.shard_of(stream),
            open_ttl_s=keys.OPEN_TTL_S,
            jobs_channel=keys.JOBS_CHANNEL,
            max_dead_letters=settings.max_dead_letters,
            dead_letter_ttl_s=settings.result_ttl_s,
            layers_ttl_s=settings.single_result_ttl_s,
            max_kept_layers=MAX_LAYERS,
        )

    def _block(self, delivery: Delivery) -> Block:
        return Block(
            predictions=delivery.predictions,
            probabilities=delivery.probabilities,
            model=delivery.entry.model,
            worker=self._worker_name,
            attempt=delivery.attempt,
            batch_images=delivery.batch_images,
            queue_ms=delivery.queue_ms,
            model_ms=delivery.model_ms,
            client=delivery.entry.client,
            faults=delivery.faults,
            best=delivery.best,
            best_of=delivery.label_count,
            top=delivery.entry.top,
            scores=delivery.scores,
            stages=delivery.stages,
            rule=delivery.rule,
            accept=delivery.accept,
        )
