"""Counts that many threads make and one thread writes to Redis now and then."""

import threading
from collections import Counter
from collections.abc import Mapping

from redis.exceptions import RedisError

from shared.redis.connection import Client


class Tallies:
    """`add` costs no round trip. What a worker that is killed has not written is lost."""

    def __init__(self, ttl_s: int) -> None:
        self._ttl_s = ttl_s
        self._lock = threading.Lock()
        self._counts: dict[str, Counter[str]] = {}

    def add(self, key: str, counts: Mapping[str, int]) -> None:
        """Count onto the fields of the hash at `key`."""
        with self._lock:
            self._counts.setdefault(key, Counter()).update(counts)

    def write(self, client: Client) -> None:
        """Raises redis' errors; then nothing was written, and it is written the next time.

        When only the reply is lost, the counts were written and are written once more.
        """
        with self._lock:
            counts, self._counts = self._counts, {}
        if not counts:
            return
        try:
            with client.pipeline() as pipeline:
                for key, fields in counts.items():
                    for field, count in fields.items():
                        if count:
                            pipeline.hincrby(key, field, count)
                    pipeline.expire(key, self._ttl_s)
                pipeline.execute()
        except RedisError:
            for key, fields in counts.items():
                self.add(key, fields)
            raise
