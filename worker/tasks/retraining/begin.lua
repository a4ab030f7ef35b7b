-- Begin a training or take it over, unless it is final or leased to another trainer.
--
-- `due` is the set of trainings that are due, `training` the hash of this one. Times are unix time.
-- Returns the number of this attempt, or 0.
local due, training = unpack(KEYS)
local id, now_ms, lease_ends_ms, trainer, ttl_s = unpack(ARGV)

local known = redis.call('HMGET', training, 'state', 'finished_ms', 'lease_ms')

if not known[1] or known[2] then
  redis.call('ZREM', due, id)
  return 0
end
if known[3] and tonumber(known[3]) > tonumber(now_ms) then
  return 0
end
redis.call('HSETNX', training, 'started_ms', now_ms)
redis.call('HSET', training, 'state', 'running', 'lease_ms', lease_ends_ms, 'trainer', trainer)
redis.call('EXPIRE', training, ttl_s)
redis.call('ZADD', due, lease_ends_ms, id)
redis.call('EXPIRE', due, ttl_s)
return redis.call('HINCRBY', training, 'attempt', 1)
