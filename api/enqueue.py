"""Putting entries on their streams: every image that the service accepts passes here."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from redis.exceptions import RedisError

from api.replying import RETRY_AFTER_S, queue_away
from shared import keys
from shared.connection import Client
from shared.entry import Entry, encode_header
from shared.errors import QueueFull
from shared.keys import Lane
from shared.settings import Settings

SCRIPT = Path(__file__).with_suffix(".lua").read_text()


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a chunk of a job has beside its pixels: a name for each image, and a reason for each unreadable one."""

    names: Sequence[str] | None
    errors: dict[int, str]

    def encode(self) -> bytes:
        if not self.names and not self.errors:
            return b""
        return orjson.dumps({"names": self.names, "errors": list(self.errors.items())})


class Enqueuer:
    """Admits or refuses whole entries, atomically."""

    def __init__(self, client: Client, settings: Settings) -> None:
        self._client = client
        self._ttl_s = settings.result_ttl_s
        self._most: dict[Lane, int] = {
            "interactive": settings.max_queued_interactive_images,
            "bulk": settings.max_queued_bulk_images,
        }
        self.images_per_s = 0.0  # what the workers say they can do together

    async def put(self, entries: Sequence[Entry], lane: Lane) -> list[QueueFull | None]:
        """Write entries of singles in one round trip; for each, None or why it was refused.

        Raises Unavailable when Redis is away; then none is known to be stored.
        """
        calls = [self._call(entry, lane, b"", 0) for entry in entries]
        try:
            if len(calls) == 1:
                replies = [await self._client.eval(*calls[0])]
            else:
                async with self._client.pipeline(transaction=False) as pipeline:
                    for call in calls:
                        pipeline.eval(*call)
                    replies = await pipeline.execute()
        except RedisError as error:
            raise queue_away(error) from error
        return [None if accepted else self._full(lane, queued) for accepted, queued in replies]

    async def put_chunk(self, entry: Entry, lane: Lane, manifest: Manifest) -> None:
        """Write one chunk of a job, which may have no readable image at all.

        Raises QueueFull, or Unavailable when Redis is away.
        """
        call = self._call(entry, lane, manifest.encode(), len(manifest.errors))
        try:
            accepted, queued = await self._client.eval(*call)
        except RedisError as error:
            raise queue_away(error) from error
        if not accepted:
            raise self._full(lane, queued)

    def _call(self, entry: Entry, lane: Lane, manifest: bytes, unreadable: int) -> tuple[Any, ...]:
        """Arguments of EVAL: sent whole, so that a Redis that was restarted needs no second round trip."""
        model = entry.model.partition("@")[0]
        chunk = entry.chunk is not None
        return (
            SCRIPT,
            4,
            keys.stream(model, lane),
            keys.queued(model, lane),
            keys.job(entry.uid) if chunk else "",
            keys.job_manifests(entry.uid) if chunk else "",
            entry.count,
            self._most[lane],
            encode_header(entry),
            entry.pixels,
            self._ttl_s,
            "" if entry.chunk is None else entry.chunk,
            manifest,
            unreadable,
        )

    def _full(self, lane: Lane, queued_images: int) -> QueueFull:
        """Half the queue is what must drain before trying again is worth it."""
        drain_s = queued_images / 2 / self.images_per_s if self.images_per_s else RETRY_AFTER_S
        return QueueFull(
            f"{queued_images} images are queued in the {lane} lane, which takes {self._most[lane]}",
            retry_after_s=max(RETRY_AFTER_S, round(drain_s)),
        )
