-- Record the state of a callback, and when it is due next.
--
-- `known_attempts` is the number of attempts that this one knows of, and `delay_ms` is '' if the callback is settled.
-- Returns 1, or 0 if another attempt has settled the callback or has begun after this one, or the job is gone.
--
-- Reads come first. ZREM is the first write, because a Redis that is out of memory accepts it, and then accepts the
-- writes after it.
local callbacks, job = unpack(KEYS)
local id, state, attempts, known_attempts, delay_ms, callbacks_ttl_s = unpack(ARGV)

local begun = redis.call('HGET', job, 'callback_attempts')
if begun and tonumber(begun) > tonumber(known_attempts) then
  return 0
end
if redis.call('ZREM', callbacks, id) == 0 or redis.call('EXISTS', job) == 0 then
  return 0
end
redis.call('HSET', job, 'callback_state', state, 'callback_attempts', attempts)
if delay_ms ~= '' then
  local time = redis.call('TIME')
  local due_ms = time[1] * 1000 + math.floor(time[2] / 1000) + delay_ms
  redis.call('ZADD', callbacks, string.format('%.0f', due_ms), id)
  redis.call('EXPIRE', callbacks, callbacks_ttl_s)
end
return 1
