"""Entries of a format that this worker does not read, as during a rolling upgrade. They are left for other workers.

A worker that receives such an entry moves it from its stream to a stream of its format, `keys.deferred`. The entry is
neither delivered nor leased there, so it has no attempts, and it still counts in its lane. A worker that reads the
format returns the entry to its stream. If no live worker reads the format for FORMAT_WAIT_S, any worker returns the
entry with a reason. The worker that reads the entry next fails its images with this reason.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from shared.config.settings import Settings
from shared.contract.entry import FORMATS
from shared.contract.entry.codec import DEATHS_FIELD, REASON_FIELD
from shared.contract.heartbeat import ENTRY_FORMATS_CODEC
from shared.errors import ContractError
from shared.redis import keys
from shared.redis.clients import SyncClient
from shared.redis.script import Script

logger = logging.getLogger(__name__)

MAX_RETURNED = 32  # entries per script, which copies their pixels
# Only the worker whose XACK removes the entry moves it. XACK is the first write: a Redis that is out of memory accepts
# it, and then accepts the other writes of the script.
DEFER = Script(
    "DEFER",
    """
local stream, deferred, formats, moved = unpack(KEYS)
local group, entry_id, format, deaths, ttl_s, deaths_field, reason_field = unpack(ARGV)
local entry = redis.call('XRANGE', stream, entry_id, entry_id)[1]
if redis.call('XACK', stream, group, entry_id) == 0 or not entry then
  return 0
end
local fields = {'stream', stream, deaths_field, deaths}
for index = 1, #entry[2], 2 do
  if entry[2][index] ~= deaths_field and entry[2][index] ~= reason_field then
    fields[#fields + 1] = entry[2][index]
    fields[#fields + 1] = entry[2][index + 1]
  end
end
redis.call('XDEL', stream, entry_id)
redis.call('XADD', deferred, '*', unpack(fields))
redis.call('SADD', formats, format)
redis.call('SET', moved, '1', 'EX', ttl_s)
redis.call('EXPIRE', deferred, ttl_s)
redis.call('EXPIRE', formats, ttl_s)
return 1
""",
)
# Returns entries to their streams: all if `wait_ms` is 0, else those that have waited for so long, with the reason.
# Each stream's last new id is kept, so that `api/queue/jobs/sweep.py` does not count the entry as lost.
RETURN = Script(
    "RETURN",
    """
local deferred, formats = unpack(KEYS)
local format, wait_ms, reason, max_entries, ttl_s, reason_field = unpack(ARGV)
local time = redis.call('TIME')
local newest_ms = time[1] * 1000 + math.floor(time[2] / 1000) - wait_ms
local returned = 0
for _, entry in ipairs(redis.call('XRANGE', deferred, '-', string.format('%.0f', newest_ms), 'COUNT', max_entries)) do
  local fields = entry[2]
  if reason ~= '' then
    fields[#fields + 1] = reason_field
    fields[#fields + 1] = reason
  end
  redis.call('XDEL', deferred, entry[1])
  local entry_id = redis.call('XADD', fields[2], '*', unpack(fields, 3))
  redis.call('SET', fields[2] .. ':returned', entry_id, 'EX', ttl_s)
  redis.call('EXPIRE', fields[2], ttl_s)
  returned = returned + 1
end
if redis.call('XLEN', deferred) == 0 then
  redis.call('DEL', deferred)
  redis.call('SREM', formats, format)
else
  redis.call('EXPIRE', deferred, ttl_s)
  redis.call('EXPIRE', formats, ttl_s)
end
return returned
""",
)


def deaths_before(fields: Mapping[bytes, bytes]) -> int:
    """Return how many workers had died with an entry before it was deferred."""
    text = fields.get(DEATHS_FIELD, b"0")
    return int(text) if text.isdigit() and len(text) < 6 else 0


def reason_to_fail(fields: Mapping[bytes, bytes]) -> str:
    """Return why an entry must fail, or an empty string."""
    return fields.get(REASON_FIELD, b"").decode(errors="replace")


@dataclass(eq=False)
class Deferred:
    """The deferred entries in Redis. Every method raises redis' errors. One thread at a time uses the client."""

    client: SyncClient
    settings: Settings

    def defer(self, stream: str, entry_id: bytes, entry_format: int, deaths: int) -> None:
        """Move an entry that was delivered to this worker to the deferred entries of its format."""
        call = DEFER(
            stream=stream,
            deferred=keys.deferred(entry_format),
            formats=keys.DEFERRED,
            moved=keys.moved(stream),
            group=keys.GROUP,
            entry_id=entry_id,
            format=entry_format,
            deaths=deaths,
            ttl_s=keys.OPEN_TTL_S,
            deaths_field=DEATHS_FIELD,
            reason_field=REASON_FIELD,
        )
        if self.client.eval(*call):
            logger.warning("deferred %s of %s: its format is %d", entry_id.decode(), stream, entry_format)

    def return_to_streams(self) -> None:
        """Return the entries that this worker reads, and those that no live worker has read for too long."""
        found = [int(entry_format) for entry_format in self.client.smembers(keys.DEFERRED)]
        if not found:
            return
        live = self._live_formats()
        for entry_format in found:
            if entry_format in FORMATS:
                while self._return(entry_format, 0, "") == MAX_RETURNED:
                    pass
            elif entry_format not in live:
                reads = ", ".join(map(str, sorted(live)))
                reason = f"no worker has read its entry format {entry_format} for {self.settings.format_wait_s:g} s"
                reason += f": the workers read {reads}"
                if self._return(entry_format, round(self.settings.format_wait_s * 1e3), reason):
                    logger.error("failing deferred entries: %s", reason)

    def _return(self, entry_format: int, wait_ms: int, reason: str) -> int:
        call = RETURN(
            deferred=keys.deferred(entry_format),
            formats=keys.DEFERRED,
            format=entry_format,
            wait_ms=wait_ms,
            reason=reason,
            max_entries=MAX_RETURNED,
            ttl_s=keys.OPEN_TTL_S,
            reason_field=REASON_FIELD,
        )
        return int(self.client.eval(*call))

    def _live_formats(self) -> set[int]:
        """Return the formats that any live worker reads."""
        names: list[bytes] = self.client.execute_command("ZRANGE", keys.WORKERS, 0, -1)
        formats = {*FORMATS}
        heartbeats: list[bytes | None] = []
        if names:
            heartbeats = self.client.execute_command("MGET", *[keys.worker(name.decode()) for name in names])
        for heartbeat in heartbeats:
            try:
                formats.update(ENTRY_FORMATS_CODEC.decode(heartbeat).entry_formats if heartbeat else ())
            except ContractError as error:
                logger.warning("the formats of a worker are unknown: %s", error)
        return formats
