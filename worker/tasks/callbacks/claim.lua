-- Claim callbacks that are due. Each is due again after `lease_ms`, unless it is settled before.
--
-- Times are by Redis's clock. Returns the ids of the jobs, the longest due first.
local callbacks = unpack(KEYS)
local lease_ms, max_ids = unpack(ARGV)

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local due = redis.call('ZRANGEBYSCORE', callbacks, '-inf', string.format('%.0f', now_ms), 'LIMIT', 0, max_ids)
for _, id in ipairs(due) do
  redis.call('ZADD', callbacks, string.format('%.0f', now_ms + lease_ms), id)
end
return due
