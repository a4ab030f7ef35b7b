-- Record the progress of a training, and renew the lease of its trainer.
--
-- `due` is the set of trainings that are due, `training` the hash of this one. `lease_ms`, the length of the lease from
-- now on, is '' if the training is final. A training is kept for `open_ttl_s` until it is final, and then for `ttl_s`.
-- The fields and values of the hash follow the arguments.
-- Returns 1, or 0 if the training belongs to another attempt, is final or is gone.
local due, training = unpack(KEYS)
local id, attempt, lease_ms, ttl_s, open_ttl_s = unpack(ARGV, 1, 5)

local known = redis.call('HMGET', training, 'attempt', 'finished_ms')

if known[1] ~= attempt or known[2] then
  return 0
end
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
if lease_ms == '' then
  redis.call('HSET', training, 'lease_ms', '', 'finished_ms', string.format('%.0f', now_ms), unpack(ARGV, 6))
  redis.call('EXPIRE', training, ttl_s)
  redis.call('ZREM', due, id)
else
  local lease_ends_ms = string.format('%.0f', now_ms + lease_ms)
  redis.call('HSET', training, 'lease_ms', lease_ends_ms, unpack(ARGV, 6))
  redis.call('EXPIRE', training, open_ttl_s)
  redis.call('ZADD', due, lease_ends_ms, id)
  redis.call('EXPIRE', due, open_ttl_s)
end
return 1
