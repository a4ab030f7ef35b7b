-- Take a training up, or take it over, unless it is final or another trainer's lease of it has not ended.
--
-- KEYS  trainings that are due, the training's hash
-- ARGV  id, now, end of the lease (unix ms), name of the trainer, time to live (s)
-- Returns which attempt this is, or 0.
local due, training, id = KEYS[1], KEYS[2], ARGV[1]
local known = redis.call('HMGET', training, 'state', 'finished_ms', 'lease_ms')

if not known[1] or known[2] then
  redis.call('ZREM', due, id)
  return 0
end
if known[3] and tonumber(known[3]) > tonumber(ARGV[2]) then
  return 0
end
redis.call('HSETNX', training, 'started_ms', ARGV[2])
redis.call('HSET', training, 'state', 'running', 'lease_ms', ARGV[3], 'trainer', ARGV[4])
redis.call('EXPIRE', training, ARGV[5])
redis.call('ZADD', due, ARGV[3], id)
redis.call('EXPIRE', due, ARGV[5])
return redis.call('HINCRBY', training, 'attempt', 1)
