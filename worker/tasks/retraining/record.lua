-- Write down where a training stands, and until when it is this trainer's.
--
-- KEYS  trainings that are due, the training's hash
-- ARGV  id, attempt, end of the lease (unix ms) or '' when it is final, time to live (s), then the hash's fields and values
-- Returns 1, or 0 when it is another attempt's by now, or final, or gone.
local due, training, id, lease_ms, ttl_s = KEYS[1], KEYS[2], ARGV[1], ARGV[3], ARGV[4]
local known = redis.call('HMGET', training, 'attempt', 'finished_ms')

if known[1] ~= ARGV[2] or known[2] then
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
