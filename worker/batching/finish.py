"""Writes results of whole entries, acknowledges the entries and wakes waiting requests.

One script runs per entry, and one pipeline per batch.
"""

from collections import Counter
from pathlib import Path

from shared.config.settings import Settings
from shared.contract.block import FORMAT, Block, encode_block
from shared.contract.model_ref import ModelRef
from shared.images import CLASSES
from shared.redis import keys
from shared.redis.clients import SyncClient
from shared.redis.clock import RedisClock
from shared.redis.script import Call, Script
from shared.telemetry.job_log import log_finished
from worker.batching.suspects import dead_letter
from worker.delivery import Delivery
from worker.reporting.metrics import Metrics

MAX_LAYERS = 32  # blobs kept, for clients that wait for them: those of a large model have megabytes
FINISH = Script.read(Path(__file__).with_suffix(".lua"))


def log_end(delivery: Delivery, now_ms: int, done: int, failed: int, expired: int, created_ms: int) -> None:
    """Log the end of a job at `now_ms` by Redis's clock. `delivery` was its last entry."""
    entry = delivery.entry
    counts = {"done": done, "failed": failed, "expired": expired}
    log_finished(entry.uid, entry.request_id(0), counts, (now_ms - created_ms) / 1e3)


class Finisher:
    """Writes results. Blocks while Redis is unreachable, because its client retries: writing twice is harmless."""

    def __init__(
        self, client: SyncClient, worker_name: str, metrics: Metrics, clock: RedisClock, settings: Settings
    ) -> None:
        self._client = client
        self._clock = clock
        self._metrics = metrics
        self._worker_name = worker_name
        self._settings = settings

    def finish(self, deliveries: list[Delivery]) -> int:
        """Write complete deliveries. Returns how many of them another worker had already finished."""
        if not deliveries:
            return 0
        calls = list(map(self._call, deliveries))
        if len(calls) == 1:
            replies = [self._client.eval(*calls[0])]
        else:
            with self._client.pipeline(transaction=False) as pipeline:
                for call in calls:
                    pipeline.eval(*call)
                replies = pipeline.execute()
        for delivery, reply in zip(deliveries, replies, strict=True):
            if isinstance(reply, list):
                log_end(delivery, self._clock.now_ms(), *map(int, reply))
            self._metrics.count_finished(delivery, reply.decode() if isinstance(reply, bytes) else "written")
        return replies.count(b"late")

    def _call(self, delivery: Delivery) -> Call:
        """Return the arguments of EVAL."""
        entry = delivery.entry
        model = ModelRef.parse(entry.model).name
        faults = Counter(state for state, _ in delivery.faults.values())
        single = entry.chunk is None
        settings = self._settings
        now_ms = self._clock.now_ms()
        letters = [
            dead_letter(delivery, position, delivery.faults[position][1], now_ms) for position in delivery.set_aside
        ]
        return FINISH(
            stream=delivery.stream,
            queued=keys.queued(model, delivery.lane),
            client=keys.client(entry.client) if entry.client else "",
            target=keys.result(entry.uid) if single else keys.job(entry.uid),
            blocks="" if single else keys.job_blocks(entry.uid),
            manifests="" if single else keys.job_manifests(entry.uid),
            open_jobs=keys.OPEN_JOBS,
            suspect=keys.suspect(delivery.stream, delivery.entry_id.decode()) if delivery.is_suspect else "",
            dead_letters=keys.DEAD_LETTERS,
            callbacks=keys.CALLBACKS,
            layers=keys.layers(entry.uid) if delivery.layers else "",
            kept_layers=keys.LAYERS,
            group=keys.GROUP,
            entry_id=delivery.entry_id,
            images=entry.count,
            bytes=entry.queued_bytes + delivery.surplus_bytes,
            shard=keys.shard_of(delivery.stream),
            block=encode_block(self._block(delivery), _block_format(delivery)),
            ttl_s=settings.single_result_ttl_s if single else settings.result_ttl_s,
            open_ttl_s=keys.OPEN_TTL_S,
            channel=entry.reply,
            uid=entry.uid,
            chunk="" if entry.chunk is None else entry.chunk,
            done_images=entry.count - len(delivery.faults),
            failed_images=faults["failed"],
            expired_images=faults["expired"],
            jobs_channel=keys.JOBS_CHANNEL,
            max_dead_letters=settings.max_dead_letters,
            dead_letter_ttl_s=settings.result_ttl_s,
            layers_blob=delivery.layers,
            layers_ttl_s=settings.single_result_ttl_s,
            max_kept_layers=MAX_LAYERS,
            more_args=[part for letter in letters for part in letter],
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
        )


def _block_format(delivery: Delivery) -> int:
    """Return the format that the API which wrote the entry reads. Format 1 has no place for other labels."""
    return 1 if delivery.entry.format == 1 and delivery.label_count in (0, CLASSES) else FORMAT
