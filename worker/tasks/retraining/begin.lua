-- Begin a training or take it over, unless it is final or leased to another trainer.
--
-- `due` is the set of trainings that are due, `training` the hash of this one. Times are unix time, by Redis's
-- clock, and `lease_ms` is the length of the lease.
-- Returns the number of this attempt, or 0.
local due, training = unpack(KEYS)
local id, lease_ms, trainer, open_ttl_s = unpack(ARGV)

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local lease_ends_ms = string.format('%.0f', now_ms + lease_ms)

local known = redis.call('HMGET', training, 'state', 'finished_ms', 'lease_ms')

if not known[1] or known[2] then
  redis.call('ZREM', due, id)
  return 0
end
if known[3] and tonumber(known[3]) > now_ms then
  return 0
end
redis.call('HSETNX', training, 'started_ms', string.format('%.0f', now_ms))
redis.call('HSET', training, 'state', 'running', 'lease_ms', lease_ends_ms, 'trainer', trainer)
redis.call('EXPIRE', training, open_ttl_s)
redis.call('ZADD', due, lease_ends_ms, id)
redis.call('EXPIRE', due, open_ttl_s)
return redis.call('HINCRBY', training, 'attempt', 1)
