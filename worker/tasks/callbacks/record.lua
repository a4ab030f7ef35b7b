-- Write down where a callback stands, and when it is due next.
--
-- KEYS  callbacks, job
-- ARGV  job id, state, attempts so far, due next (unix ms) or '' when it is over
-- Returns 1, or 0 when another attempt has settled it before or the job is gone.
--
-- ZREM comes first also because a Redis without memory lets it through, and with it all that follows.
local callbacks, job, id = KEYS[1], KEYS[2], ARGV[1]

if redis.call('ZREM', callbacks, id) == 0 or redis.call('EXISTS', job) == 0 then
  return 0
end
redis.call('HSET', job, 'callback_state', ARGV[2], 'callback_attempts', ARGV[3])
if ARGV[4] ~= '' then
  redis.call('ZADD', callbacks, ARGV[4], id)
  redis.call('EXPIRE', callbacks, redis.call('TTL', job))
end
return 1
