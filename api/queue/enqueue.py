"""The writing of entries to their streams. Every image that the service accepts passes through this module."""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from redis.exceptions import NoScriptError, RedisError

from api.http.responses import RETRY_AFTER_S
from api.metrics import Metrics
from api.queue.redis_wire import OnReplies, Wires
from shared.config.api_keys import ApiKey
from shared.config.settings import Settings
from shared.contract.entry import FORMAT, Entry
from shared.contract.entry.codec import encode_header
from shared.contract.job import MANIFEST_CODEC, Manifest
from shared.contract.lane import Lane
from shared.contract.model_ref import ModelRef
from shared.errors import QueueFull, Reason, RequestError, Unavailable
from shared.redis import keys
from shared.redis.clients import AsyncClient
from shared.redis.resp import packer
from shared.redis.script import Call, Script

logger = logging.getLogger(__name__)

Outcome = str | RequestError  # the id of an entry on its stream, or its refusal
OnOutcomes = Callable[[list[Outcome]], None]
ENQUEUE = Script.read(Path(__file__).with_suffix(".lua"))
NO_LIMITS = ApiKey("", "")
# The values of the script for entries of singles.
NO_JOB: dict[str, Any] = dict.fromkeys(("job", "manifests", "chunk", "accepted_before", "manifest", "items"), "")
NO_JOB["unreadable_images"] = 0
# The reason of a refusal in metrics, by the name of the limit in enqueue.lua.
REASONS: dict[str, Reason] = {
    "images": "lane_images",
    "bytes": "lane_bytes",
    "client": "key_images",
    "rate": "key_rate",
}


def lane_limits(settings: Settings) -> dict[Lane, dict[str, int]]:
    """Return the limits of each lane per model, in images and bytes."""
    return {
        "interactive": {
            "images": settings.max_queued_interactive_images,
            "bytes": settings.max_queued_interactive_bytes,
        },
        "bulk": {"images": settings.max_queued_bulk_images, "bytes": settings.max_queued_bulk_bytes},
    }


def lost_upload() -> Unavailable:
    """Return the error for an upload of which Redis has lost a part, for example in a failover."""
    return Unavailable("Redis has lost a part of this upload; no image of it will be answered: send it again", "redis")


class Enqueuer:
    """Accepts or refuses entries atomically. `unavailable` returns the refusal for an error of Redis."""

    def __init__(
        self,
        client: AsyncClient,
        wires: Wires,
        metrics: Metrics,
        settings: Settings,
        unavailable: Callable[[Exception], Unavailable],
    ) -> None:
        self._client = client
        self._metrics = metrics
        self._wires = wires
        self._unavailable = unavailable
        self._limits = lane_limits(settings)
        self._api_keys: Mapping[str, ApiKey] = {key.name: key for key in settings.api_keys}
        self._packers: dict[tuple[str, str, Lane], Callable[..., bytes]] = {}
        self.entry_format = FORMAT  # 1 while a live worker reads no newer one
        self.images_per_s = 0.0  # throughput or capacity of all workers, for Retry-After

    def put(self, entries: Sequence[Entry], lane: Lane, done: OnOutcomes) -> None:
        """Write entries of singles in one round trip, and call `done` with the outcome of each.

        An entry that Redis did not accept does not affect the other entries.
        """
        commands = [self._command(entry, lane) for entry in entries]
        self._wires.send(commands, partial(self._replied, entries, lane, commands, done))

    def _replied(
        self,
        entries: Sequence[Entry],
        lane: Lane,
        commands: list[bytes],
        done: OnOutcomes,
        replies: list[Any] | Exception,
    ) -> None:
        if isinstance(replies, list) and NoScriptError in map(type, replies):
            self._send_with_script(commands, replies, lambda found: done(self._outcomes(entries, lane, found)))
        else:
            done(self._outcomes(entries, lane, replies))

    def _send_with_script(self, commands: list[bytes], replies: list[Any], done: OnReplies) -> None:
        """Load the script into a Redis that has just started, and send the commands again that were not executed."""
        again = [index for index, reply in enumerate(replies) if isinstance(reply, NoScriptError)]

        def replied(found: list[Any] | Exception) -> None:
            found = found[1:] if isinstance(found, list) else [found] * len(again)
            for index, reply in zip(again, found, strict=True):
                replies[index] = reply
            done(replies)

        load = ("SCRIPT", "LOAD", ENQUEUE.source)
        self._wires.send([load, *(commands[index] for index in again)], replied)

    def _outcomes(self, entries: Sequence[Entry], lane: Lane, replies: list[Any] | Exception) -> list[Outcome]:
        try:
            if isinstance(replies, Exception):
                raise replies
            return [self._outcome(entry, lane, reply) for entry, reply in zip(entries, replies, strict=True)]
        except RedisError as error:
            return [self._unavailable(error)] * len(entries)
        except Exception:  # an unexpected error must not leave requests waiting
            logger.exception("entries could not be written")
            return [Unavailable("the queue failed; the log has the reason", "redis")] * len(entries)

    def _outcome(self, entry: Entry, lane: Lane, reply: Any) -> Outcome:
        """Return the id of an entry, counting it as accepted, or its refusal."""
        if isinstance(reply, RedisError):
            return self._unavailable(reply)
        limit, current, pass_ms, *entry_id = reply
        if limit:
            return self._full(entry, lane, limit.decode(), current, pass_ms)
        self._metrics.accepted[entry.model, lane] += entry.count
        stored_as: str = entry_id[0].decode()
        return stored_as

    async def put_chunk(self, entry: Entry, lane: Lane, shard: int, manifest: Manifest, accepted: int) -> None:
        """Write one chunk of a job, which may have no readable image. Raises QueueFull or Unavailable.

        `accepted` is the number of images in earlier chunks of the job.
        """
        call = self._call(entry, lane, shard, manifest, accepted)
        try:
            limit, current, pass_ms, *_ = await self._client.eval(*call)
        except RedisError as error:
            raise self._unavailable(error) from error
        if limit == b"lost":
            raise lost_upload()
        if limit:
            raise self._full(entry, lane, limit.decode(), current, pass_ms)
        self._metrics.accepted[entry.model, lane] += entry.count
        self._metrics.unreadable[entry.model, lane] += len(manifest.errors)

    async def choose_shard(self, model: str, lane: Lane, client: str) -> int:
        """Return the shard of the client's other jobs, or the shard with the fewest images.

        All jobs of a client share one shard, so that a client cannot get more throughput by sending more jobs.
        """
        if lane != "bulk":
            return 0
        if client:
            images, shard = await self._client.hmget(keys.client(client), "images", "shard")
            if int(images or 0) > 0 and shard:
                return int(shard)
        waiting = await self._client.hmget(keys.queued(ModelRef.parse(model).name, lane), range(keys.SHARDS))
        return min(range(keys.SHARDS), key=lambda shard: int(waiting[shard] or 0))

    def _command(self, entry: Entry, lane: Lane) -> bytes:
        """Return the EVALSHA of an entry of singles. Few values differ between the entries of a version and a key."""
        key = (entry.model, entry.client, lane)
        pack = self._packers.get(key)
        if pack is None:
            fixed = self._fixed(entry, lane, 0) | NO_JOB
            pack = self._packers[key] = packer(ENQUEUE, "images", "bytes", "header", "pixels", **fixed)
        header = encode_header(entry, self.entry_format)
        return pack(b"%d" % entry.count, b"%d" % entry.queued_bytes, header, entry.pixels)

    def _call(self, entry: Entry, lane: Lane, shard: int, manifest: Manifest, accepted: int) -> Call:
        """Return the arguments of EVAL for a chunk of a job."""
        return ENQUEUE(
            **self._fixed(entry, lane, shard),
            job=keys.job(entry.uid),
            manifests=keys.job_manifests(entry.uid),
            images=entry.count,
            bytes=entry.queued_bytes,
            header=encode_header(entry, self.entry_format),
            pixels=entry.pixels,
            chunk="" if entry.chunk is None else entry.chunk,
            manifest=MANIFEST_CODEC.encode(manifest) if manifest.names or manifest.errors or manifest.numbers else b"",
            unreadable_images=len(manifest.errors),
            accepted_before=accepted,
            items=len(entry.items) or entry.count,
        )

    def _fixed(self, entry: Entry, lane: Lane, shard: int) -> dict[str, Any]:
        """Return the values of the script that are the same for all entries of a version, a key and a shard."""
        model = ModelRef.parse(entry.model).name
        limits = self._api_keys.get(entry.client, NO_LIMITS)
        return {
            "stream": keys.stream(model, lane, shard),
            "queued": keys.queued(model, lane),
            "client": keys.client(entry.client) if entry.client else "",
            "shard": shard if lane == "bulk" else "",
            "max_images": self._limits[lane]["images"],
            "max_bytes": self._limits[lane]["bytes"],
            "ttl_s": keys.OPEN_TTL_S,
            "max_client_images": limits.max_queued_images,
            "client_images_per_s": limits.images_per_s,
        }

    def _full(self, entry: Entry, lane: Lane, limit: str, current: int, pass_ms: int) -> QueueFull:
        """Return the refusal. `current` is the present value of the limited quantity.

        Retry-After is the time until half the queue has drained, or until the rate allows the entry.
        """
        limits = self._api_keys.get(entry.client, NO_LIMITS)
        if limit == "rate":
            detail = f"the key {entry.client!r} may send {limits.images_per_s} images per second"
            return QueueFull(detail, max(RETRY_AFTER_S, math.ceil(pass_ms / 1e3)), REASONS[limit])
        queued_images = current // entry.image_bytes if limit == "bytes" else current
        if limit == "client":
            detail = f"the key {entry.client!r} has {current} queued images, and may have {limits.max_queued_images}"
        elif limit == "bytes":
            detail = f"the {lane} lane has {current} queued bytes, and may have {self._limits[lane]['bytes']}"
        else:
            detail = f"the {lane} lane has {current} queued images, and may have {self._limits[lane]['images']}"
        return QueueFull(detail, self.drain_s(queued_images / 2), REASONS[limit])

    def drain_s(self, images: float) -> int:
        """Return the whole seconds that the workers need for this many images, at least 1."""
        return max(RETRY_AFTER_S, round(images / self.images_per_s) if self.images_per_s else 0)
