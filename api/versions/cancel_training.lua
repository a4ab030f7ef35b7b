-- Cancel a training. One that runs finds that it is no longer its trainer's, and ends.
--
-- KEYS  trainings that are due, the training's hash
-- ARGV  id, now (unix ms)
-- Returns 0 when it is being published, which cannot be taken back; else 1, also for one that was final before.
local state = redis.call('HMGET', KEYS[2], 'state', 'stage', 'finished_ms')

if not state[1] or state[3] then
  return 1
end
if state[2] == 'publish' then
  return 0
end
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HSET', KEYS[2], 'state', 'cancelled', 'finished_ms', ARGV[2])
return 1
