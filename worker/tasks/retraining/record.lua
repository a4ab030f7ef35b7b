-- Record the progress of a training, and renew the lease of its trainer.
--
-- `due` is the set of trainings that are due, `training` the hash of this one. `lease_ms`, the end of the lease in
-- unix time, is '' if the training is final. The fields and values of the hash follow the arguments.
-- Returns 1, or 0 if the training belongs to another attempt, is final or is gone.
local due, training = unpack(KEYS)
local id, attempt, lease_ms, ttl_s = unpack(ARGV, 1, 4)

local known = redis.call('HMGET', training, 'attempt', 'finished_ms')

if known[1] ~= attempt or known[2] then
  return 0
end
redis.call('HSET', training, 'lease_ms', lease_ms, unpack(ARGV, 5))
redis.call('EXPIRE', training, ttl_s)
if lease_ms == '' then
  redis.call('ZREM', due, id)
else
  redis.call('ZADD', due, lease_ms, id)
  redis.call('EXPIRE', due, ttl_s)
end
return 1
