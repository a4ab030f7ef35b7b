-- Record the state of a callback, and when it is due next.
--
-- `due_ms` (unix time) is '' if the callback is settled.
-- Returns 1, or 0 if another attempt has settled the callback before or the job is gone.
--
-- ZREM is the first write, because a Redis that is out of memory accepts it, and then accepts the writes after it.
local callbacks, job = unpack(KEYS)
local id, state, attempts, due_ms = unpack(ARGV)

if redis.call('ZREM', callbacks, id) == 0 or redis.call('EXISTS', job) == 0 then
  return 0
end
redis.call('HSET', job, 'callback_state', state, 'callback_attempts', attempts)
if due_ms ~= '' then
  redis.call('ZADD', callbacks, due_ms, id)
  redis.call('EXPIRE', callbacks, redis.call('TTL', job))
end
return 1
