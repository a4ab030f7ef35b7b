-- Cancel a training. The trainer of a running training sees that it has lost it, and stops.
--
-- `due` is the set of trainings that are due, `training` the hash of this one. `now_ms` is unix time.
-- Returns 0 if the training is being published, which cannot be undone, and 1 otherwise, also for a final training.
local due, training = unpack(KEYS)
local id, now_ms, ttl_s = unpack(ARGV)

local state = redis.call('HMGET', training, 'state', 'stage', 'finished_ms')

if not state[1] or state[3] then
  return 1
end
if state[2] == 'publish' then
  return 0
end
redis.call('ZREM', due, id)
redis.call('HSET', training, 'state', 'cancelled', 'finished_ms', now_ms)
redis.call('EXPIRE', training, ttl_s)
return 1
