"""Counts of many threads that one thread writes to Redis from time to time."""

import threading
from collections import Counter
from collections.abc import Mapping

from redis.exceptions import RedisError

from shared.redis.clients import SyncClient


class Tallies:
    """Counts in memory. `add` costs no round trip. A killed worker loses the counts that are not written."""

    def __init__(self, ttl_s: int) -> None:
        self._ttl_s = ttl_s
        self._lock = threading.Lock()
        self._counts: dict[str, Counter[str]] = {}

    def add(self, key: str, counts: Mapping[str, int]) -> None:
        """Add to the fields of the hash at `key`."""
        with self._lock:
            self._counts.setdefault(key, Counter()).update(counts)

    def write(self, client: SyncClient) -> None:
        """Write the counts. If redis raises an error, they are kept for the next call and may be written twice."""
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
