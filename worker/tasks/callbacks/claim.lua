-- Claim callbacks that are due. Each is due again at the end of its lease, unless it is settled before.
--
-- Times are unix time. Returns the ids of the jobs, the longest due first.
local callbacks = unpack(KEYS)
local now_ms, lease_ends_ms, max_ids = unpack(ARGV)

local due = redis.call('ZRANGEBYSCORE', callbacks, '-inf', now_ms, 'LIMIT', 0, max_ids)
for _, id in ipairs(due) do
  redis.call('ZADD', callbacks, lease_ends_ms, id)
end
return due
